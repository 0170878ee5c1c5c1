/* Ringdesk chat. <script src="https://desk.example.com/chat.js" data-channel="NAME" async></script>
   Needs of a page's policy: script-src and connect-src with the desk's origin (https and wss). */
(() => {
  "use strict";
  const script = document.currentScript;
  if (!script || !script.dataset.channel) return;
  const channel = script.dataset.channel;
  const wholePage = script.dataset.open === "page";
  const base = new URL(script.src).origin;
  const path = "/chat/" + encodeURIComponent(channel);
  const VERSION = 1;
  const LONGEST = 4000;
  const memory = (store, key) => ({
    read() { try { return JSON.parse(store.getItem(key)); } catch { return null; } },
    write(value) { try { store.setItem(key, JSON.stringify(value)); } catch { /* private windows keep nothing */ } },
  });
  const name = "ringdesk:" + base + ":" + channel;
  const secret = memory(localStorage, name + ":visitor");
  const outbox = memory(sessionStorage, name + ":outbox");
  const answered = memory(sessionStorage, name + ":answers");
  const shown = memory(sessionStorage, name + ":open");

  /* Building: text is only ever text. */
  const make = (tag, attributes, ...children) => {
    const element = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes || {})) {
      if (value !== null && value !== undefined) element.setAttribute(key, value);
    }
    element.append(...children.filter((child) => child !== null));
    return element;
  };
  const link = /\bhttps?:\/\/[^\s<>"']+[^\s<>"'.,;:!?)\]]/g;
  const rich = (text) => {
    const parts = document.createDocumentFragment();
    let place = 0;
    for (const found of text.matchAll(link)) {
      parts.append(text.slice(place, found.index));
      parts.append(make("a", { href: found[0], target: "_blank", rel: "noopener noreferrer nofollow" }, found[0]));
      place = found.index + found[0].length;
    }
    parts.append(text.slice(place));
    return parts;
  };
  const newId = () => {
    if (crypto.randomUUID) return crypto.randomUUID();
    return Array.from(crypto.getRandomValues(new Uint8Array(16)), (octet) => octet.toString(16).padStart(2, "0")).join("");
  };
  const clock = (at) => new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

  const STYLE = `
    :host { all: initial; }
    * { box-sizing: border-box; font: inherit; color: inherit; }
    .root { font: 16px/1.4 system-ui, sans-serif; color: #1b1b1f; }
    .button { position: fixed; bottom: 20px; right: 20px; z-index: 2147483000; border: 0; border-radius: 28px; padding: 14px 20px;
      background: var(--colour); color: var(--on); cursor: pointer; box-shadow: 0 2px 10px #0005; }
    .left .button, .left .panel { right: auto; left: 20px; }
    .badge { margin-left: 8px; background: #b3261e; color: #fff; border-radius: 10px; padding: 1px 7px; font-size: 13px; }
    .panel { position: fixed; bottom: 90px; right: 20px; z-index: 2147483000; width: 370px; max-width: calc(100vw - 24px); height: 560px; max-height: calc(100vh - 110px);
      display: flex; flex-direction: column; background: #fff; border-radius: 12px; box-shadow: 0 4px 24px #0006; overflow: hidden; }
    .page .panel { position: static; width: 100%; max-width: 720px; height: 80vh; max-height: none; margin: 0 auto; box-shadow: 0 0 0 1px #ccc; }
    [hidden] { display: none !important; }
    header { display: flex; align-items: center; gap: 8px; background: var(--colour); color: var(--on); padding: 12px 16px; }
    header h2 { flex: 1; margin: 0; font-size: 17px; font-weight: 600; }
    header button { border: 0; background: none; cursor: pointer; padding: 6px 10px; border-radius: 6px; }
    .line { background: #fff3cd; color: #4a3800; padding: 6px 16px; font-size: 14px; }
    .log { flex: 1; overflow-y: auto; padding: 12px 16px; overscroll-behavior: contain; }
    .log ol { list-style: none; margin: 0; padding: 0; display: flex; flex-direction: column; gap: 8px; }
    .log li { max-width: 85%; align-self: flex-start; background: #eef0f4; border-radius: 12px; padding: 8px 12px; white-space: pre-wrap; overflow-wrap: anywhere; }
    .log li.visitor { align-self: flex-end; background: var(--colour); color: var(--on); }
    .log li.word { align-self: center; background: none; color: #44464f; font-size: 14px; }
    .who { display: block; font-size: 13px; font-weight: 600; }
    .state { display: block; font-size: 12px; text-align: right; }
    .typing { min-height: 22px; padding: 0 16px; font-size: 13px; color: #44464f; }
    form { display: flex; flex-direction: column; gap: 8px; padding: 12px 16px; border-top: 1px solid #d5d7dd; }
    form.row { flex-direction: row; align-items: flex-end; }
    label { font-size: 14px; display: block; }
    input, textarea { width: 100%; border: 1px solid #74777f; border-radius: 8px; padding: 8px 10px; background: #fff; color: #1b1b1f; }
    textarea { resize: none; min-height: 42px; max-height: 140px; flex: 1; }
    .send, .choice { border: 0; border-radius: 8px; padding: 10px 14px; background: var(--colour); color: var(--on); cursor: pointer; }
    .choice.skip { background: #e2e4ea; color: #1b1b1f; }
    .choices { display: flex; flex-wrap: wrap; gap: 8px; }
    .problem { color: #b3261e; font-size: 14px; }
    :focus-visible { outline: 3px solid #1b1b1f; outline-offset: 2px; box-shadow: 0 0 0 3px #fff; }
    .hint { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
    @media (prefers-reduced-motion: no-preference) { .panel { animation: rise .15s ease-out; } @keyframes rise { from { transform: translateY(12px); opacity: 0; } } }
    @media (max-width: 480px) { .panel { inset: 0; width: auto; max-width: none; height: auto; max-height: none; border-radius: 0; } .page .panel { height: 90vh; } }`;

  /* White or black, whichever can be read on the colour (WCAG 2 contrast). */
  const readable = (colour) => {
    const part = (place) => {
      const value = parseInt(colour.slice(place, place + 2), 16) / 255;
      return value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    };
    return 0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5) > 0.179 ? "#000000" : "#ffffff";
  };

  const begin = (look) => {
    const host = document.createElement("ringdesk-chat");
    const shadow = host.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    const colour = /^#[0-9a-f]{6}$/i.test(look.colour) ? look.colour : "#1a73e8";
    sheet.replaceSync(STYLE + `.root { --colour: ${colour}; --on: ${readable(colour)}; }`);
    shadow.adoptedStyleSheets = [sheet];

    const badge = make("span", { class: "badge", hidden: "" });
    const button = make("button", { class: "button", type: "button", "aria-expanded": "false", "aria-haspopup": "dialog" }, look.button, badge);
    const heading = make("h2", { id: "title" }, look.title);
    const close = make("button", { type: "button", "aria-label": "Close the chat" }, "\u2715");
    const line = make("div", { class: "line", role: "status", hidden: "" });
    const list = make("ol", {});
    const log = make("div", { class: "log", role: "log", "aria-live": "polite", "aria-relevant": "additions", "aria-labelledby": "title", tabindex: "0" }, list);
    const typing = make("div", { class: "typing", "aria-live": "off" });
    const foot = make("div", {});
    const panel = make("section", { class: "panel", role: wholePage ? "region" : "dialog", "aria-labelledby": "title", hidden: "" },
      make("header", {}, heading, wholePage ? null : close), line, log, typing, foot);
    const root = make("div", { class: "root" + (look.side === "left" ? " left" : "") + (wholePage ? " page" : "") }, wholePage ? null : button, panel);
    shadow.append(root);
    (wholePage ? document.querySelector("main") || document.body : document.body).append(host);

    let socket = null;
    let greeted = false;
    let attempts = 0;
    let last = null;
    let unread = 0;
    let closedWord = null;
    let pending = outbox.read() || [];
    const items = new Map();
    const own = new Map();

    const isOpen = () => !panel.hidden;
    const tell = (frame) => {
      if (socket && greeted && socket.readyState === 1) socket.send(JSON.stringify(frame));
    };
    const count = (number) => {
      unread = number;
      badge.hidden = number === 0;
      badge.replaceChildren(String(number), make("span", { class: "hint" }, number === 1 ? " new message" : " new messages"));
    };
    /* One sign tells of a message and of those before it. */
    const tellLast = (type, which) => {
      const message = [...items.values()].filter((item) => item.theirs && which(item)).pop();
      if (message) tell({ type, id: message.id });
    };
    const seen = () => {
      if (!isOpen() || document.hidden || !last) return;
      count(0);
      tellLast("seen", (item) => !item.seen);
      for (const item of items.values()) item.seen = true;
    };
    const atEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < 60;
    const show = (element) => {
      const follow = atEnd();
      list.append(element);
      if (follow) log.scrollTop = log.scrollHeight;
    };
    const word = (text) => show(make("li", { class: "word" }, text));
    const state = (entry, text) => entry.querySelector(".state").replaceChildren(text);

    const addOwn = (clientId, text, at) => {
      if (own.has(clientId)) return own.get(clientId);
      const entry = make("li", { class: "visitor" }, make("span", { class: "hint" }, "You: "), rich(text), make("span", { class: "state" }));
      own.set(clientId, entry);
      show(entry);
      state(entry, at ? clock(at) : "Sending \u2026");
      return entry;
    };
    const add = (said, isNew) => {
      if (items.has(said.id)) return;
      const theirs = said.from !== "visitor";
      items.set(said.id, { id: said.id, theirs, seen: !isNew });
      if (!last || said.id > last) last = said.id;
      if (!theirs) {
        const known = said.client_id && own.get(said.client_id);
        if (said.client_id) kept(said.client_id);
        if (known) state(known, clock(said.at));
        else if (said.client_id) addOwn(said.client_id, said.text, said.at);
        else show(make("li", { class: "visitor" }, make("span", { class: "hint" }, "You: "), rich(said.text), make("span", { class: "state" }, clock(said.at))));
        return;
      }
      typing.replaceChildren();
      const who = { person: said.name, program: said.name + " (automatic assistant)", automatic: "" }[said.from] || "";
      show(make("li", {}, who ? make("span", { class: "who" }, who) : null, rich(said.text), make("span", { class: "state" }, clock(said.at))));
      if (!isNew) return;
      tell({ type: "received", id: said.id });
      if (!isOpen() || document.hidden) count(unread + 1);
      seen();
    };
    const kept = (clientId) => {
      pending = pending.filter((item) => item.client_id !== clientId);
      outbox.write(pending);
    };
    const put = (frame) => {
      pending.push(frame);
      outbox.write(pending);
      addOwn(frame.client_id, frame.text, null);
      tell(frame);
    };

    /* What stands below the log: a question, the message form, or the field to write in. */
    const problemLine = () => make("div", { class: "problem", role: "alert", id: "problem" });
    const focusIn = (element) => { if (isOpen() && shadow.activeElement !== button) element.focus(); };
    let reject = null;
    const composer = () => {
      const field = make("textarea", { id: "text", rows: "1", maxlength: String(LONGEST), placeholder: "Write a message", "aria-describedby": "problem" });
      const problem = problemLine();
      const form = make("form", { class: "row" }, make("label", { for: "text", class: "hint" }, "Your message"), field, make("button", { class: "send", type: "submit" }, "Send"));
      let told = 0;
      field.addEventListener("input", () => {
        const now = performance.now();
        if (now - told > 3000) { told = now; tell({ type: "typing" }); }
      });
      field.addEventListener("keydown", (event) => {
        if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); form.requestSubmit(); }
      });
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        const text = field.value.trim();
        if (!text) return;
        problem.replaceChildren();
        put({ type: "send", client_id: newId(), text });
        field.value = "";
      });
      reject = (text) => problem.replaceChildren(text);
      foot.replaceChildren(problem, form);
      focusIn(field);
    };
    /* What was asked and answered stands in the log once the answer is taken. */
    let given = null;
    const taken = () => {
      if (!given) return;
      word(given.question);
      if (given.text) show(make("li", { class: "visitor" }, given.text));
      given = null;
    };
    const ask = (question) => {
      taken();
      const answer = (text) => {
        const answers = answered.read() || {};
        given = { question: question.text, text };
        answers[question.name] = text;
        answered.write(answers);
        tell({ type: "answer", question: question.name, text });
      };
      const problem = problemLine();
      const skip = question.optional ? make("button", { class: "choice skip", type: "button" }, "Skip") : null;
      if (skip) skip.addEventListener("click", () => answer(""));
      if (question.answer === "choice") {
        const choices = question.choices.map((choice) => {
          const pick = make("button", { class: "choice", type: "button" }, choice);
          pick.addEventListener("click", () => answer(choice));
          return pick;
        });
        const group = make("div", { class: "choices", role: "group", "aria-labelledby": "asked" }, ...choices, skip);
        foot.replaceChildren(make("form", {}, make("label", { id: "asked" }, question.text), group, problem));
        focusIn(choices[0] || skip);
      } else {
        const kinds = { email: ["email", "email"], phone: ["tel", "tel"], name: ["text", "name"], date: ["date", "off"], number: ["text", "off"] };
        const [type, complete] = kinds[question.answer] || ["text", "off"];
        const field = make("input", { id: "answer", type, autocomplete: complete, maxlength: "1000", "aria-describedby": "problem" });
        const form = make("form", { novalidate: "" }, make("label", { for: "answer" }, question.text), field, problem,
          make("div", { class: "choices" }, make("button", { class: "send", type: "submit" }, "Next"), skip));
        form.addEventListener("submit", (event) => { event.preventDefault(); answer(field.value.trim()); });
        foot.replaceChildren(form);
        focusIn(field);
      }
      reject = (text) => {
        given = null;
        const answers = answered.read() || {};
        delete answers[question.name];
        answered.write(answers);
        problem.replaceChildren(text);
      };
    };
    const messageForm = () => {
      const field = (id, label, type, complete, needed) => {
        const input = make(type === "area" ? "textarea" : "input", { id, type: type === "area" ? null : type, autocomplete: complete, maxlength: type === "area" ? String(LONGEST) : "254", required: needed ? "" : null, rows: type === "area" ? "4" : null });
        return [make("label", { for: id }, label), input];
      };
      const [nameLabel, nameField] = field("name", "Your name", "text", "name", false);
      const [mailLabel, mailField] = field("email", "Your email address, for our answer", "email", "email", true);
      const [textLabel, textField] = field("text", "Your message", "area", "off", true);
      const problem = problemLine();
      const form = make("form", { novalidate: "" }, nameLabel, nameField, mailLabel, mailField, textLabel, textField, problem, make("button", { class: "send", type: "submit" }, "Send"));
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        const text = textField.value.trim();
        if (!text) { problem.replaceChildren("Please write a message."); textField.focus(); return; }
        if (!mailField.value.includes("@")) { problem.replaceChildren("Please write your email address, so that we can answer."); mailField.focus(); return; }
        problem.replaceChildren();
        put({ type: "leave", client_id: newId(), name: nameField.value.trim(), email: mailField.value.trim(), text });
      });
      reject = (text) => problem.replaceChildren(text);
      foot.replaceChildren(form);
      focusIn(nameField);
    };

    /* The socket. */
    const hear = {
      welcome(frame) {
        greeted = true;
        attempts = 0;
        line.hidden = true;
        if (frame.visitor) secret.write(frame.visitor);
        if (frame.reset) {
          items.clear(); own.clear(); list.replaceChildren(); last = null;
        }
        if (list.childElementCount === 0 && frame.greeting) word(frame.greeting);
        const isFirst = items.size === 0;
        for (const said of frame.messages) add(said, !isFirst);
        if (isFirst) tellLast("received", () => true);
        if (frame.closed && frame.closed !== closedWord) word(frame.closed);
        closedWord = frame.closed;
        for (const item of pending) { addOwn(item.client_id, item.text, null); tell(item); }
        if (!frame.open && !frame.conversation) {
          if (frame.message_form) messageForm();
          else foot.replaceChildren();
        }
        if (wholePage || shown.read()) log.scrollTop = log.scrollHeight;
        seen();
      },
      ask,
      ready() { taken(); if (!foot.querySelector("#text") || foot.querySelector("#email")) composer(); },
      problem(frame) {
        if (frame.client_id && frame.code !== "busy" && frame.code !== "too-fast") {
          const entry = own.get(frame.client_id);
          if (entry) state(entry, "Not sent");
          kept(frame.client_id);
        } else if (frame.client_id) {
          setTimeout(() => pending.filter((item) => item.client_id === frame.client_id).forEach(tell), 5000);
        }
        if (reject) reject(frame.text); else word(frame.text);
      },
      kept(frame) {
        const entry = own.get(frame.client_id);
        const wasForm = pending.some((item) => item.client_id === frame.client_id && item.type === "leave");
        items.set(frame.id, { id: frame.id, theirs: false, seen: true });
        if (!last || frame.id > last) last = frame.id;
        if (entry) state(entry, clock(frame.at));
        kept(frame.client_id);
        if (wasForm) { foot.replaceChildren(); word("Thank you. We will answer by email."); log.focus(); }
      },
      message(frame) { add(frame, true); },
      typing(frame) {
        typing.replaceChildren(frame.name + " is writing \u2026");
        clearTimeout(hear.timer);
        hear.timer = setTimeout(() => typing.replaceChildren(), 6000);
      },
      read(frame) {
        for (const [clientId, entry] of own) {
          if (!pending.some((item) => item.client_id === clientId) && !entry.dataset.read) { entry.dataset.read = frame.id; entry.querySelector(".state").append(" \u00b7 Read"); }
        }
      },
      closed() { word("This chat was closed. Write to open it again."); },
    };
    const connect = () => {
      if (socket && socket.readyState < 2) return;
      greeted = false;
      socket = new WebSocket(base.replace(/^http/, "ws") + path + "/socket");
      socket.addEventListener("open", () => socket.send(JSON.stringify({ type: "hello", version: VERSION, visitor: secret.read(), after: last, answers: answered.read() || {} })));
      socket.addEventListener("message", (event) => {
        const frame = JSON.parse(event.data);
        if (Object.hasOwn(hear, frame.type)) hear[frame.type](frame);
      });
      socket.addEventListener("close", () => {
        greeted = false;
        if (!isOpen() && list.childElementCount === 0) return;
        line.hidden = false;
        line.replaceChildren("Connecting again \u2026 what you write is kept.");
        attempts += 1;
        const wait = Math.min(30000, 500 * 2 ** Math.min(attempts, 6)) * (0.5 + Math.random() / 2);
        setTimeout(connect, wait);
      });
    };

    const open = (byHand) => {
      panel.hidden = false;
      button.setAttribute("aria-expanded", "true");
      shown.write(true);
      connect();
      log.scrollTop = log.scrollHeight;
      seen();
      if (byHand) {
        const field = foot.querySelector("input, textarea, .choice") || close;
        field.focus();
      }
    };
    const shut = () => {
      panel.hidden = true;
      button.setAttribute("aria-expanded", "false");
      shown.write(false);
      button.focus();
    };
    button.addEventListener("click", () => (isOpen() ? shut() : open(true)));
    close.addEventListener("click", shut);
    panel.addEventListener("keydown", (event) => { if (event.key === "Escape" && !wholePage) shut(); });
    document.addEventListener("visibilitychange", seen);
    window.addEventListener("online", connect);
    if (wholePage || shown.read()) open(false);
  };

  fetch(base + path + "/appearance")
    .then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error("There is no chat " + channel + "."))))
    .then(begin)
    .catch((error) => console.warn("Ringdesk chat: " + error.message));
})();
