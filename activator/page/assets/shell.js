// The page around a desktop. It is told of each change in the session's state, shows
// it, and keeps the desktop in a frame of its own origin: from the moment the desktop
// accepts connections, or earlier where its client was kept from an earlier visit.
"use strict";
(() => {
  const page = JSON.parse(document.body.dataset.shell);
  const text = page.text;
  const byId = (id) => document.getElementById(id);

  // What the person asked for, without parameters of ours.
  const asked = new URL(location.href);
  const plain = (query) => query.replace(/^\?/, "").split("&").filter((pair) => ![page.frameMarker, page.refreshMarker].includes(pair.split("=")[0])).join("&");
  asked.search = plain(asked.search);
  const marked = () => {
    const url = new URL(asked);
    url.search = (url.search ? url.search + "&" : "?") + page.frameMarker + "=1";
    return url.href;
  };

  // The desktop navigated its frame, and this browser does not say that it was a frame.
  const framedByUs = () => {
    try {
      return window.parent !== window && window.parent.location.origin === location.origin;
    } catch {
      return false; // another origin's
    }
  };
  if (framedByUs()) {
    location.replace(marked());
    return;
  }
  performance.mark("vdi-page-shown");
  byId("stuck")?.remove();

  // ---- What the page was told, and when.
  const settled = 3000; // ms: until then a wake that was just asked for may not show yet
  const shownWithin = 10000; // ms: a frame that never finishes loading is shown all the same
  let status = page.status;
  let toldAt = performance.now();
  let askedAt = performance.now();
  let held = 0; // timer: a state that is believed only when the wake has had its time

  const tell = (next) => {
    clearTimeout(held);
    const young = settled - (performance.now() - askedAt);
    if ((next.state === "asleep" || next.state === "failed") && status.state === "waiting" && young > 0) {
      held = setTimeout(() => tell(next), young);
      return;
    }
    status = next;
    toldAt = performance.now();
    show();
  };

  // ---- The card.
  const put = (element, words) => {
    // Only a change is announced to screen readers.
    if (element.textContent !== words) element.textContent = words;
  };
  const card = {
    waiting: () => status.blocked ? { title: text.titleBlocked, hint: text.blockedHint }
      : { title: status.resting ? text.titleResting : text.titleWaiting, hint: status.step === "place" && status.detail ? text.queueHint : "" },
    ready: () => ({ title: text.titleReady }),
    failed: () => ({ title: text.titleFailed, hint: text.failedHint, action: text.tryAgain }),
    asleep: () => ({ title: text.titleAsleep, hint: text.asleepHint, action: text.wake }),
    off: () => ({ title: text.titleOff }),
    away: () => ({ title: text.titleAway }),
    ended: () => ({ title: status.title, action: text.open }),
    elsewhere: () => ({ title: text.titleElsewhere, hint: text.elsewhereHint, action: text.take }),
  };

  const show = () => {
    const { title, hint = "", action = "" } = card[status.state]();
    const before = document.body.dataset.state;
    document.body.dataset.state = status.state;
    put(byId("title"), title);
    put(byId("summary"), status.summary);
    put(byId("detail"), status.detail || "");
    put(byId("hint"), hint === status.message ? "" : hint);
    put(byId("again"), action);
    byId("end").hidden = !action;
    byId("again").href = asked.href;
    const at = page.steps.indexOf(status.step);
    byId("steps").querySelectorAll("li").forEach((line, i) => {
      line.className = i < at ? "done" : "";
      if (i === at) line.setAttribute("aria-current", "step");
      else line.removeAttribute("aria-current");
    });
    showTime();
    keepFrame();
    warnInTime();
    if (!shown()) document.title = title;
    if (action && before !== status.state) byId("again").focus();
  };

  const duration = (ms) => {
    const seconds = Math.max(1, Math.round(ms / 1000));
    return seconds < 100 ? text.seconds.replace("{time}", seconds) : text.minutes.replace("{time}", Math.round(seconds / 60));
  };
  const showTime = () => {
    if (status.state !== "waiting" && status.state !== "ready") return;
    const waited = (status.waitedMillis || 0) + performance.now() - toldAt;
    const usual = status.usuallyMillis || 0;
    const bar = byId("progress");
    // A queue has no end that is known.
    const known = status.state === "ready" || (usual > 0 && status.step !== "place");
    bar.classList.toggle("unknown", !known);
    if (known) {
      // At the usual time it stands at 80 %, and it comes to the end only with the desktop.
      const done = status.state === "ready" ? 1 : 0.97 * (1 - Math.exp((-1.74 * waited) / usual));
      bar.firstElementChild.style.setProperty("--done", done.toFixed(3));
      bar.setAttribute("aria-valuenow", Math.round(done * 10) * 10);
    } else {
      bar.removeAttribute("aria-valuenow");
    }
    const parts = [];
    if (waited >= 2000) parts.push(duration(waited));
    if (usual > 0) parts.push(waited > 2 * usual && status.step !== "place" ? text.longer : text.usually.replace("{time}", duration(usual)));
    byId("time").textContent = parts.join(" · ");
  };
  setInterval(showTime, 500);

  // ---- The frame.
  // A tab that nobody has looked at yet holds no desktop: a browser opened it by itself.
  let seen = document.visibilityState === "visible";
  let frame = null;
  let early = false; // it was loaded before the desktop was there
  let image = ""; // of which its client then was
  let loaded = false;
  const shown = () => document.body.classList.contains("shown");

  const load = () => {
    early = status.state !== "ready";
    image = status.image || "";
    loaded = false;
    frame = byId("desktop").content.firstElementChild.cloneNode();
    frame.inert = true; // the card has the focus until the desktop is shown
    frame.addEventListener("load", onLoad);
    const src = new URL(page.marksAddresses ? marked() : asked.href);
    if (page.watermark && !frame.showPopover) {
      // Nothing could be put over a desktop that fills the screen.
      frame.removeAttribute("allowfullscreen");
      frame.allow = frame.allow.replace("fullscreen;", "fullscreen 'none';");
    }
    // Clients that know viewers offer them no more than they may.
    if (page.looks) src.hash = "shared";
    frame.src = src.href;
    document.body.append(frame);
    setTimeout((mine) => {
      if (mine === frame) { loaded = true; reveal(); }
    }, shownWithin, frame);
    performance.mark("vdi-frame-asked");
  };
  const unload = () => {
    frame?.remove();
    frame = null;
    cover();
  };

  const keepFrame = () => {
    if (status.state === "waiting" || status.state === "ready") {
      // The desktop that starts is of another image than the client that was kept.
      if (frame && early && status.image && status.image !== image) unload();
      // A desktop that can be shown once is shown by the page that has its view.
      if (!frame && seen && status.viewing !== "open" && (status.state === "ready" || status.early)) load();
      if (status.state === "ready") reveal();
      else cover();
    } else {
      unload();
    }
  };

  const reveal = () => {
    if (!frame || !loaded || shown() || status.state !== "ready") return;
    const focused = [null, document.body].includes(document.activeElement) || byId("stage").contains(document.activeElement);
    document.body.classList.add("shown");
    byId("stage").inert = true;
    frame.inert = false;
    if (focused) focusFrame();
    followTitle();
    performance.mark("vdi-desktop-shown");
    // Opening a desktop is using it: from now on its idle clock runs.
    if (document.visibilityState === "visible") report(true);
    else if (page.watchesQuery) fetch(page.activityPath + "?" + page.watchesQuery + "=1", { method: "POST" }).catch(() => {});
  };
  const cover = () => {
    document.body.classList.remove("shown");
    byId("stage").inert = false;
    if (frame) frame.inert = true;
  };
  const focusFrame = () => {
    frame.focus({ preventScroll: true });
    frame.contentWindow?.focus();
  };

  const inside = () => {
    try {
      return frame?.contentDocument ?? null;
    } catch {
      return null; // the desktop went to another origin
    }
  };

  // The desktop's page did not come through, as when this computer changes its network,
  // and the frame shows an error of the browser's. A desktop that redirects to another
  // origin looks the same from here.
  const lost = async () => {
    const src = frame.src;
    if (performance.getEntriesByName(src).at(-1)?.responseStatus !== 0) return false;
    try {
      return (await fetch(src, { redirect: "manual" })).type !== "opaqueredirect";
    } catch {
      return true;
    }
  };
  const onLoad = async () => {
    const its = inside();
    const mine = frame;
    // Or the desktop went while its page was asked for. It is asked for again when there
    // is something new, or else soon.
    if (its ? its.documentElement.dataset.vdi === "nothing" : await lost()) {
      setTimeout(() => {
        if (mine !== frame) return;
        unload();
        show();
      }, 1000);
      return;
    }
    if (mine !== frame) return;
    loaded = true;
    if (its) {
      watch(frame.contentWindow);
      titles.disconnect();
      if (its.head) titles.observe(its.head, { subtree: true, childList: true, characterData: true });
    }
    reveal();
    if (shown()) followTitle();
  };
  const followTitle = () => {
    if (shown()) document.title = inside()?.title || text.titleFrame;
  };
  const titles = new MutationObserver(followTitle);

  // Keys such as Escape and Alt+Tab reach a desktop in full screen; browsers give them
  // to the document of the tab only.
  document.addEventListener("fullscreenchange", () => {
    if (document.fullscreenElement) navigator.keyboard?.lock?.().catch(() => {});
    else navigator.keyboard?.unlock?.();
  });

  // ---- Activity.
  let reportedAt = -Infinity;
  let later = 0;
  const send = async () => {
    reportedAt = performance.now();
    try {
      const answer = await fetch(page.activityPath, { method: "POST", keepalive: true });
      return answer.ok;
    } catch {
      return false; // the next input is another chance
    }
  };
  const report = (now) => {
    if (!shown()) return;
    const due = reportedAt + status.reportMillis - performance.now();
    if (now || due <= 0) {
      clearTimeout(later);
      later = 0;
      send();
    } else if (!later) {
      later = setTimeout(() => { later = 0; send(); }, due);
    }
  };
  let pointer = "";
  const onInput = (event) => {
    if (!event.isTrusted || (event.view === window && byId("warning").contains(event.target))) return;
    if (event.type === "pointermove") {
      // Browsers also tell of a move when the page moves below a pointer that rests.
      const now = event.screenX + "," + event.screenY + "," + event.movementX + "," + event.movementY;
      if (now === pointer) return;
      pointer = now;
    }
    const warned = !byId("warning").hidden && status.sleep?.postponable;
    report(warned);
    if (warned && event.type !== "pointermove") hideWarning();
  };
  const watch = (view) => {
    for (const kind of ["keydown", "pointerdown", "pointermove", "wheel", "touchstart"]) {
      view.addEventListener(kind, onInput, { capture: true, passive: true });
    }
  };
  watch(window);

  // ---- The warning before a sleep.
  let warning = 0;
  let counting = 0;
  let understood = ""; // the warning that needs no repetition
  const sleepsIn = () => status.sleep.inMillis - (performance.now() - toldAt);
  const warnInTime = () => {
    clearTimeout(warning);
    const sleep = status.state === "ready" && status.sleep;
    if (!sleep || sleep.reason === understood || sleepsIn() > sleep.warnMillis) hideWarning();
    if (sleep && sleep.reason !== understood) {
      const longest = 2 ** 31 - 1; // ms: what a timer can wait
      warning = setTimeout(showWarning, Math.min(longest, Math.max(0, sleepsIn() - sleep.warnMillis)));
    }
  };
  const showWarning = () => {
    if (!shown() || sleepsIn() > status.sleep.warnMillis) {
      // The desktop is not shown yet, or a timer waits no longer than that.
      warning = setTimeout(warnInTime, 1000);
      return;
    }
    const postponable = status.sleep.postponable;
    const box = byId("warning");
    const first = box.hidden;
    put(byId("warning-text"), status.sleep.text);
    put(byId("stay"), postponable ? text.stay : text.understood);
    // Nobody types where nobody has for long; elsewhere the focus stays with the work.
    box.setAttribute("role", postponable ? "alertdialog" : "alert");
    box.hidden = false;
    count();
    clearInterval(counting);
    counting = setInterval(count, 1000);
    if (first && postponable) byId("stay").focus({ preventScroll: true });
  };
  const count = () => {
    const seconds = Math.max(0, Math.ceil(sleepsIn() / 1000));
    byId("countdown").textContent = text.warnIn.replace("{time}", Math.floor(seconds / 60) + ":" + String(seconds % 60).padStart(2, "0"));
  };
  const hideWarning = () => {
    clearInterval(counting);
    if (byId("warning").hidden) return;
    const focused = byId("warning").contains(document.activeElement);
    byId("warning").hidden = true;
    if (focused && shown()) focusFrame();
  };
  byId("stay").addEventListener("click", async () => {
    if (!status.sleep?.postponable) {
      understood = status.sleep?.reason || "";
      hideWarning();
    } else if (await send()) {
      hideWarning();
    } else {
      put(byId("warning-text"), text.stayFails);
    }
  });

  // ---- Taking over what another page shows.
  const take = async () => {
    try {
      const answer = await fetch(page.takePath + "?" + page.pageQuery + "=" + name, { method: "POST" });
      if (!answer.ok) throw new Error(answer.status);
      if (!listening()) listen();
    } catch {
      if (status.state === "elsewhere") put(byId("hint"), text.stayFails);
    }
  };

  // ---- Waking. Without this script the button is a link that does the same.
  byId("again").addEventListener("click", async (event) => {
    event.preventDefault();
    if (status.state === "elsewhere") {
      take();
      return;
    }
    if (status.state === "ended") {
      location.reload();
      return;
    }
    askedAt = performance.now();
    understood = "";
    tell({ ...status, state: "waiting", step: "waking", summary: text.waking, message: text.waking, detail: "", blocked: false, early: false, waitedMillis: 0 });
    byId("title").tabIndex = -1;
    byId("title").focus();
    try {
      const answer = await fetch(page.wakePath + (name ? "?" + page.pageQuery + "=" + name : ""), { method: "POST" });
      if (!answer.ok) location.reload();
      else if (!listening()) ask();
    } catch {
      location.reload(); // a load wakes too, or shows that there is no connection
    }
  });

  // ---- This page's name. It stays when the tab is loaded again; a duplicate of the tab
  // begins with the same session storage, and has another one.
  const nameKey = "vdi-page";
  let name = "";
  const holding = []; // what would let go
  const lock = (one) => new Promise((resolve) => {
    navigator.locks.request(nameKey + "-" + one, { ifAvailable: true }, (granted) => {
      resolve(Boolean(granted));
      return granted && new Promise((release) => { holding.push(release); });
    }).catch(() => resolve(false));
  });
  const locked = async (one) => {
    // The page that was loaded in this tab before lets go in a moment; another tab's does
    // not.
    for (let tries = 0; tries < 5; tries++) {
      if (await lock(one)) return true;
      await new Promise((resolve) => { setTimeout(resolve, 100); });
    }
    return false;
  };
  const takeName = async () => {
    let one = "";
    try {
      one = sessionStorage.getItem(nameKey) || "";
    } catch { /* this browser keeps nothing */ }
    const locks = Boolean(navigator.locks); // not on an insecure address
    const again = performance.getEntriesByType("navigation")[0]?.type === "reload";
    if (/^[0-9a-f]{32}$/.test(one) && (locks ? await locked(one) : again)) return one;
    one = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
    try {
      sessionStorage.setItem(nameKey, one);
    } catch { /* it has another one next time */ }
    if (locks) locked(one);
    return one;
  };

  // ---- Being told.
  const retry = 3000; // ms: pause after the stream of changes was refused
  const quiet = page.beatMillis ? 2 * page.beatMillis : Infinity; // ms: without a beat for so long, nothing comes through
  const silences = 10; // questions until a stream that brought nothing is tried again
  const path = () => asked.pathname + asked.search;
  let events = null;
  let again = 0;
  let heardAt = 0;
  let asks = 0; // how often, instead of a stream that brings nothing
  const heard = () => {
    heardAt = performance.now();
    asks = 0;
  };
  const listening = () => events?.readyState === EventSource.OPEN;
  const query = () => "?" + page.eventsQuery + "=" + encodeURIComponent(path()) + "&" + page.pageQuery + "=" + name;
  // The screen that a client in the frame has, as Selkies 1.6's counts it (v1.6.2, input.js:744).
  const screenOf = () => {
    const pixels = (size) => Math.trunc(size * devicePixelRatio - ((size * devicePixelRatio) % 2));
    return pixels(document.documentElement.clientWidth) + "x" + pixels(document.documentElement.clientHeight) + "@" + devicePixelRatio;
  };
  const listen = () => {
    clearTimeout(again);
    if (!name || !seen) return; // the name is being made
    events?.close();
    heardAt = performance.now();
    events = new EventSource(page.eventsPath + query() + (page.looks ? "" : "&" + page.screenQuery + "=" + screenOf()));
    events.addEventListener("beat", heard);
    events.addEventListener("reload", () => location.reload());
    events.onmessage = (event) => {
      heard();
      tell(JSON.parse(event.data));
      if (status.state === "ended") {
        // The next stream would be refused.
        events.close();
        return;
      }
      if (status.state === "elsewhere") rest();
    };
    events.onerror = () => {
      // A stream that broke off is opened again by the browser; one that was refused
      // is not: ask, and try again later.
      if (events.readyState === EventSource.CLOSED) again = setTimeout(ask, 0);
    };
  };
  // A proxy keeps the stream back, or it broke off while this computer slept.
  setInterval(() => {
    if (!events || status.state === "ended" || events.readyState === EventSource.CLOSED || performance.now() - heardAt < quiet) return;
    events.close();
    asks = silences;
    ask();
  }, 1000);
  const ask = async () => {
    clearTimeout(again);
    again = setTimeout(asks-- > 0 ? ask : listen, retry);
    try {
      const answer = await fetch(page.statusPath + query(), { cache: "no-store" });
      if (answer.ok) {
        // Of two answers the stream's is the newer one.
        if (!listening()) tell(await answer.json());
      } else if ([401, 403, 404].includes(answer.status) && !shown()) {
        location.reload(); // the page that comes says why; a desktop that is shown goes on as long as it can
      }
    } catch {
      if (!shown()) put(byId("summary"), text.offline);
    }
  };
  // Browsers open few connections to one host: a page that nobody sees keeps none, unless
  // it has the only view, which it would lose, and must be told when another page takes.
  const rest = () => {
    if (document.visibilityState === "visible") return;
    if (status.state === "elsewhere" || (shown() && status.viewing !== "yours")) {
      clearTimeout(again);
      events?.close();
    }
  };
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") {
      if (!seen) {
        seen = true;
        keepFrame();
      }
      if (status.state !== "ended" && (!events || events.readyState === EventSource.CLOSED)) listen();
    } else {
      rest();
    }
  });
  addEventListener("pageshow", (event) => { if (event.persisted) listen(); });

  // ---- The menu goes once somebody goes on with the desktop.
  const menu = byId("menu");
  if (menu) {
    addEventListener("blur", () => { menu.open = false; }); // the frame has the focus
    menu.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !menu.open) return;
      menu.open = false;
      menu.querySelector("summary").focus();
    });
  }

  // ---- The watermark.
  const marks = byId("watermark");
  if (marks) {
    const ahead = page.now - Date.now(); // this computer's clock may be wrong
    const stampEvery = 10 * 1000; // ms
    const stamp = () => {
      const time = new Date(Date.now() + ahead).toISOString().slice(0, 16).replace("T", " ") + " UTC";
      const words = page.watermark.replaceAll("{time}", time);
      for (const mark of marks.querySelectorAll("span")) put(mark, words);
    };
    stamp();
    setInterval(stamp, stampEvery);
    // What fills the screen is above all else but what is shown after it.
    document.addEventListener("fullscreenchange", () => {
      if (!marks.showPopover) return;
      marks.removeAttribute("popover");
      if (document.fullscreenElement) {
        marks.setAttribute("popover", "manual");
        marks.showPopover();
      }
    });
  }

  // ---- The cookie lives for minutes, and is renewed by what is asked.
  const renewEvery = 5 * 60 * 1000; // ms
  setInterval(() => {
    if (status.state !== "ended") fetch(page.renewPath, { method: "POST" }).catch(() => {});
  }, renewEvery);

  show();
  takeName().then((one) => {
    name = one;
    listen();
  });
})();
