// linuxserver.io's images have one socket, beside the page.
"use strict";

stream("websockets");
