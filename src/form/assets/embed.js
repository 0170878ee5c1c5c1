(function () {
  "use strict";
  var script = document.currentScript;
  var address = script.src.replace(/\/embed\.js(\?.*)?$/, "");
  var frame = document.createElement("iframe");
  frame.src = address + "?embed=1";
  frame.title = "TITLE";
  frame.width = "100%";
  frame.height = "600";
  frame.setAttribute("frameborder", "0");
  var origin = new URL(address).origin;
  window.addEventListener("message", function (event) {
    if (event.origin !== origin || event.source !== frame.contentWindow) return;
    var height = event.data && event.data.ringdeskForm;
    if (typeof height === "number" && height > 0 && height < 20000) frame.height = String(height);
  });
  script.parentNode.insertBefore(frame, script);
})();
