"use strict";

// Everything shown comes from customers and bots: it is only ever put on the page as text (textContent), never as markup.

const $ = (id) => document.getElementById(id);
const LONGEST_LOG = 500;

let chosen = null; // the id of a contact, or the address of a customer who has not written yet
let current = null; // the contact on the screen
let refreshing = null; // a refresh that is due: its timer, and when
const shown = {}; // what each list was last made from

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function time(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

// Replace a list only when it changed, so that focus, selection and screen readers are left in peace.
function renderList(list, key, items, make) {
  const made = JSON.stringify(items);
  if (shown[key] === made) return false;
  shown[key] = made;
  const focused = list.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  list.replaceChildren(...items.map(make));
  if (focused !== undefined) list.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  return true;
}

// Talking to the sandbox

async function post(path, body) {
  const answer = await fetch(`/inbox/${path}`, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  });
  const value = await answer.json();
  if (!answer.ok) throw new Error(value.error);
  return value;
}

async function attempt(action) {
  $("problem").textContent = "";
  try {
    await action();
  } catch (error) {
    $("problem").textContent = error.message;
  }
}

function say(text) {
  return attempt(async () => {
    const { contact } = await post("say", { contact: chosen, text });
    chosen = contact;
    await refresh();
  });
}

async function refresh() {
  const asked = chosen;
  const query = typeof asked === "number" ? `?contact=${asked}` : "";
  const state = await (await fetch(`/inbox/state${query}`)).json();
  if (asked !== chosen) return; // somebody else was chosen meanwhile
  showContacts(state.contacts);
  showConversation(state.contact);
  renderList($("webhooks"), "webhooks", state.webhooks, (webhook) =>
    element("li", webhook.enabled ? "" : "off", webhook.url + (webhook.enabled ? "" : " (disabled)")));
}

function refreshSoon(delay = 40) {
  const due = performance.now() + delay;
  if (refreshing !== null && refreshing.due <= due) return;
  clearTimeout(refreshing?.timer);
  const timer = setTimeout(() => {
    refreshing = null;
    refresh().catch(() => undefined); // the sandbox has stopped: the stream says so
  }, delay);
  refreshing = { timer, due };
}

// Contacts and conversation

function showContacts(contacts) {
  $("nobody").hidden = contacts.length > 0;
  renderList($("contacts"), "contacts", contacts.map((contact) => [contact, contact.id === chosen]), ([contact, isChosen]) => {
    const button = element("button");
    button.type = "button";
    button.dataset.key = contact.id;
    button.setAttribute("aria-current", String(isChosen));
    button.append(
      element("span", "name", contact.name), element("span", `badge ${contact.status}`, contact.status),
      element("span", "last", contact.last || contact.address));
    button.addEventListener("click", () => choose(contact.id));
    const item = element("li");
    item.append(button);
    return item;
  });
}

function choose(who) {
  chosen = who;
  current = null;
  shown.messages = null;
  $("problem").textContent = "";
  showConversation(null);
  refresh().then(() => $("text").focus()).catch(() => undefined);
}

function showConversation(contact) {
  current = contact;
  $("empty").hidden = chosen !== null;
  $("conversation").hidden = chosen === null;
  if (chosen === null) return;
  const status = contact?.status ?? "new";
  const about = contact
    ? [contact.address, contact.channels.join(", "), contact.lifecycle, ...contact.tags,
      contact.assignee ? `assigned to ${contact.assignee}` : "not assigned"]
    : ["has not written yet"];
  $("name").textContent = contact?.name ?? String(chosen);
  $("about").textContent = about.filter(Boolean).join(" · ");
  $("status").textContent = status;
  $("status").className = `badge ${status}`;
  $("close").disabled = status !== "open";
  const messages = contact?.messages ?? [];
  const list = $("messages");
  if (renderList(list, "messages", messages, messageItem)) {
    list.scrollTop = list.scrollHeight;
  }
  // A message is delivered and read while nothing else happens.
  if (messages.slice(-5).some((each) => ["pending", "sent", "delivered"].includes(each.status))) refreshSoon(700);
}

function messageItem(message) {
  const item = element("li", message.traffic);
  item.append(element("div", "words", message.text));
  const parts = [message.traffic === "outgoing" ? message.source : "", time(message.time), message.status, message.failure];
  item.append(element("div", message.failure ? "about failed" : "about", parts.filter(Boolean).join(" · ")));
  if (message.replies.length > 0) {
    const replies = element("div", "replies");
    for (const reply of message.replies) {
      const button = element("button", "", String(reply));
      button.type = "button";
      button.dataset.key = `${message.id}:${reply}`;
      button.addEventListener("click", () => say(String(reply)));
      replies.append(button);
    }
    item.append(replies);
  }
  return item;
}

// Activity

function logItem(entry) {
  const item = element("li", `${entry.kind} ${entry.tone}`);
  const about = element("div", "about");
  about.append(element("time", "", time(entry.time)), element("span", "note", entry.note));
  item.append(element("span", "title", entry.title), about);
  if (entry.body) {
    const details = element("details");
    details.append(element("summary", "", "body"), element("pre", "", entry.body));
    item.append(details);
  }
  return item;
}

function listen() {
  const list = $("activity");
  const stream = new EventSource("/inbox/feed");
  stream.addEventListener("message", (message) => {
    const following = list.scrollHeight - list.scrollTop - list.clientHeight < 60;
    list.append(logItem(JSON.parse(message.data)));
    while (list.childElementCount > LONGEST_LOG) list.firstElementChild.remove();
    if (following) list.scrollTop = list.scrollHeight;
    refreshSoon();
  });
  stream.addEventListener("open", () => {
    $("connection").textContent = "live";
    $("connection").className = "on";
    refreshSoon();
  });
  stream.addEventListener("error", () => {
    $("connection").textContent = "the sandbox does not answer";
    $("connection").className = "";
  });
}

// What the person does

$("newcomer").addEventListener("submit", (event) => {
  event.preventDefault();
  choose($("address").value.trim());
  $("address").value = "";
});

$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("text").value;
  $("text").value = "";
  say(text);
});

$("close").addEventListener("click", () => attempt(async () => {
  if (current) await post("close", { contact: current.id });
  await refresh();
}));

for (const box of document.querySelectorAll("[name=kind]")) {
  box.addEventListener("change", () => $("activity").classList.toggle(`no-${box.value}`, !box.checked));
}

listen();
