// Pages work without this. It keeps a page up to date, says what has changed to those who do not
// see it, and shows moments by the browser's clock.
"use strict";

const page = document.getElementById("page");
const said = document.getElementById("said");
const lost = document.getElementById("lost");

// Moments in the browser's time zone, in the page's language.
const moments = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
const enhance = (within) => {
  for (const time of within.querySelectorAll("time[datetime]")) time.title = moments.format(new Date(time.dateTime));
  for (const image of within.querySelectorAll(".icon img")) {
    // A browser may show one that does not load as broken.
    if (image.complete && !image.naturalWidth) image.remove();
    else image.addEventListener("error", () => image.remove());
  }
};
enhance(document);

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    const field = document.getElementById(button.dataset.copy);
    field.select();
    await navigator.clipboard.writeText(field.value);
    button.textContent = said.textContent = button.dataset.copied;
  });
}
document.getElementById("link")?.addEventListener("focus", (event) => event.target.select());

// A form is sent once.
document.addEventListener("submit", (event) => {
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "yes";
});
addEventListener("pageshow", () => { for (const form of document.forms) delete form.dataset.sent; });

// What lives are the parts with data-live. Others, such as forms, are never touched.
const parts = (within) => [...within.querySelectorAll("[data-live]")];
const keys = (within) => parts(within).map((part) => part.id).join(" ");
const typing = () => [...page.querySelectorAll("input:not([type=hidden]), select")].some((field) =>
  field === document.activeElement || field.type === "text" && field.value !== field.defaultValue);

const tell = (was, is) => {
  if (is.dataset.word && was.dataset.word !== is.dataset.word) said.textContent = `${is.dataset.name}: ${is.dataset.word}`;
};

// The focus stays where it was; where that is gone, it goes to the content.
const focused = (within) => within.contains(document.activeElement) ? document.activeElement.id || "content" : "";
const restore = (id) => {
  if (id) (document.getElementById(id) ?? document.getElementById("content")).focus({ preventScroll: true });
};

const replace = (was, is) => {
  const focus = focused(was);
  enhance(is);
  was.replaceWith(is);
  restore(focus);
};

// As the server has sent them, since the page's own are changed by enhance.
const sent = new Map();
const show = (html) => {
  const next = new DOMParser().parseFromString(html, "text/html");
  if (keys(next) !== keys(page)) {
    if (typing()) { lost.hidden = false; return; }
    const focus = focused(page);
    page.replaceChildren(...next.body.childNodes);
    enhance(page);
    restore(focus);
    sent.clear();
    return;
  }
  for (const part of parts(next)) {
    if (sent.get(part.id) === part.outerHTML) continue;
    const was = document.getElementById(part.id);
    const first = !sent.has(part.id);
    sent.set(part.id, part.outerHTML);
    // Of the first event most is what the page has already.
    if (first && was.textContent === part.textContent) continue;
    tell(was, part);
    replace(was, part);
  }
};

if (document.body.dataset.at) {
  let events, failures = 0, silence;
  const listen = () => {
    events = new EventSource("/events?at=" + encodeURIComponent(document.body.dataset.at));
    const heard = () => {
      failures = 0;
      lost.hidden = true;
      clearTimeout(silence);
      silence = setTimeout(() => { lost.hidden = false; }, 60000);
    };
    events.addEventListener("page", (event) => { heard(); show(event.data); });
    events.addEventListener("beat", heard);
    events.addEventListener("gone", () => { events.close(); clearTimeout(silence); lost.hidden = false; });
    events.addEventListener("error", () => {
      // The server ends each stream after a while, and the browser opens the next one.
      if (events.readyState !== EventSource.CLOSED) return;
      if (++failures > 3) { lost.hidden = false; return; }
      setTimeout(listen, 5000 * failures);
    });
  };
  listen();
  addEventListener("pagehide", () => events.close());
  addEventListener("pageshow", (event) => { if (event.persisted) listen(); });
}
