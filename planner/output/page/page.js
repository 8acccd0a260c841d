{
// The picture: it is zoomed by its width, and moved by scrolling.
const LARGEST = 16, STEP = 1.4;

function whole(view) {
  const box = view.firstElementChild.viewBox.baseVal, width = Math.max(view.clientWidth, 640);
  const most = parseFloat(getComputedStyle(view).maxHeight) || view.clientHeight;
  return Math.min(1, view.clientWidth / width, most * box.width / box.height / width);
}

function zoomTo(view, zoom, x = view.clientWidth / 2, y = view.clientHeight / 2) {
  const before = Number(view.style.getPropertyValue("--zoom") || 1);
  const after = Math.min(LARGEST, Math.max(whole(view), zoom));
  const [left, top] = [(view.scrollLeft + x) / before, (view.scrollTop + y) / before];
  view.style.setProperty("--zoom", after);
  view.scrollLeft = left * after - x;
  view.scrollTop = top * after - y;
}

function zoomBy(view, factor, x, y) {
  zoomTo(view, Number(view.style.getPropertyValue("--zoom") || 1) * factor, x, y);
}

function distance(touches) {
  return Math.hypot(touches[0].clientX - touches[1].clientX, touches[0].clientY - touches[1].clientY);
}

function makeZoomable(view, buttons) {
  const actions = {in: () => zoomBy(view, STEP), out: () => zoomBy(view, 1 / STEP), width: () => zoomTo(view, 1),
    whole: () => zoomTo(view, 0)};
  const keys = {"+": "in", "=": "in", "-": "out", "1": "width", "0": "whole"};
  for (const button of buttons) button.addEventListener("click", actions[button.dataset.zoom]);
  view.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || !(event.key in keys)) return;
    event.preventDefault();
    actions[keys[event.key]]();
  });
  view.addEventListener("wheel", event => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const box = view.getBoundingClientRect();
    zoomBy(view, Math.exp(-event.deltaY / 300), event.clientX - box.left, event.clientY - box.top);
  }, {passive: false});
  let apart = 0;
  view.addEventListener("touchstart", event => { if (event.touches.length === 2) apart = distance(event.touches); });
  view.addEventListener("touchmove", event => {
    if (event.touches.length !== 2 || !apart) return;
    event.preventDefault();
    const box = view.getBoundingClientRect(), [one, other] = event.touches;
    zoomBy(view, distance(event.touches) / apart,
      (one.clientX + other.clientX) / 2 - box.left, (one.clientY + other.clientY) / 2 - box.top);
    apart = distance(event.touches);
  }, {passive: false});
  view.addEventListener("pointermove", event => {
    if (event.pointerType === "mouse" && event.buttons === 1) view.scrollBy(-event.movementX, -event.movementY);
  });
}

// A chain or a row under the pointer is shown alone; a click keeps it.
function show(picture, isChosen) {
  const chains = [...picture.querySelectorAll(".chain")];
  const chosen = isChosen ? chains.filter(isChosen) : [];
  const rows = new Set(chosen.flatMap(chain => chain.dataset.rows.split(" ")));
  picture.classList.toggle("chosen-one", chosen.length > 0);
  for (const chain of chains) chain.classList.toggle("chosen", chosen.includes(chain));
  for (const row of picture.querySelectorAll("[data-row]")) row.classList.toggle("chosen", rows.has(row.dataset.row));
}

function testOf(element) {
  if (!element) return null;
  const {chain, row} = element.dataset;
  return chain ? other => other.dataset.chain === chain : other => other.dataset.rows.split(" ").includes(row);
}

function isSame(one, other) {
  return one && other && one.dataset.chain === other.dataset.chain && one.dataset.row === other.dataset.row;
}

function makeChoosable(picture) {
  let kept = null;
  const target = event => event.target.closest(".chain, .row, .legend button");
  const keep = element => {
    kept = isSame(kept, element) ? null : element;
    for (const button of picture.querySelectorAll(".legend button")) {
      button.ariaPressed = String(kept?.dataset.chain === button.dataset.chain);
    }
    show(picture, testOf(kept));
  };
  picture.addEventListener("pointerover", event => {
    if (event.pointerType === "mouse") show(picture, testOf(target(event) ?? kept));
  });
  picture.addEventListener("focusin", event => { if (target(event)) show(picture, testOf(target(event))); });
  picture.addEventListener("focusout", () => show(picture, testOf(kept)));
  picture.addEventListener("click", event => { if (!event.target.closest(".zoom")) keep(target(event)); });
  picture.addEventListener("keydown", event => { if (event.key === "Escape") keep(null); });
}

for (const picture of document.querySelectorAll(".picture")) {
  makeZoomable(picture.querySelector(".view"), picture.querySelectorAll("[data-zoom]"));
  makeChoosable(picture);
}

// Commands: a button copies one; where the browser does not allow that, the command is selected.
const state = document.querySelector("#status");
let silence = 0;

function say(text) {
  state.textContent = text;
  clearTimeout(silence);
  silence = setTimeout(() => { state.textContent = ""; }, 4000);
}

function select(element) {
  const range = document.createRange();
  range.selectNodeContents(element);
  const selection = getSelection();
  selection.removeAllRanges();
  selection.addRange(range);
}

async function copy(code) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    say("Copied");
  } catch {
    select(code);
    say(document.execCommand("copy") ? "Copied" : "Selected: copy it with Ctrl+C or the menu of your browser");
  }
}

for (const button of document.querySelectorAll(".copy")) {
  button.addEventListener("click", () => copy(button.closest("li").querySelector("code")));
}

for (const input of document.querySelectorAll(".filter input")) {
  input.addEventListener("input", () => {
    const words = input.value.trim().toLowerCase();
    for (const item of input.closest("details").querySelectorAll(".commands li")) {
      item.hidden = !item.textContent.toLowerCase().includes(words);
    }
  });
}
}
