"use strict";
(() => {
  const id = (name) => document.getElementById(name);
  const stage = id("stage"), layers = id("layers"), before = id("before"), after = id("after"), canvas = id("amplified");
  const slider = id("gain"), shown = id("gain-shown"), readout = id("readout");
  const width = Number(canvas.dataset.width), height = Number(canvas.dataset.height);
  document.documentElement.classList.add("js");

  const pixels = (image) => {
    const sheet = document.createElement("canvas");
    sheet.width = width;
    sheet.height = height;
    const pen = sheet.getContext("2d", { willReadFrequently: true });
    pen.drawImage(image, 0, 0);
    return pen.getImageData(0, 0, width, height).data;
  };
  let cache = null;
  // Large pictures are read only when somebody looks at the difference or points at a pixel.
  const data = () => (cache ??= { before: pixels(before), after: pixels(after) });
  const ready = Promise.all([before.decode(), after.decode()]);

  const draw = () => {
    const gain = 2 ** Number(slider.value);
    shown.textContent = "\u00d7" + (gain < 10 ? gain.toFixed(1).replace(/\.0$/, "") : Math.round(gain));
    if (!id("v-difference").checked) return;
    const a = data().before, b = data().after;
    canvas.width = width;
    canvas.height = height;
    const pen = canvas.getContext("2d"), sheet = pen.createImageData(width, height), out = sheet.data;
    for (let i = 0; i < out.length; i += 4) {
      out[i] = 128 + gain * (b[i] - a[i]);
      out[i + 1] = 128 + gain * (b[i + 1] - a[i + 1]);
      out[i + 2] = 128 + gain * (b[i + 2] - a[i + 2]);
      out[i + 3] = 255;
    }
    pen.putImageData(sheet, 0, 0);
  };
  let waiting = false;
  const redraw = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; ready.then(draw); });
  };
  slider.addEventListener("input", redraw);
  document.querySelectorAll("input[name=view]").forEach((input) => input.addEventListener("change", redraw));

  const flip = () => {
    id(id("v-after").checked ? "v-before" : "v-after").click();
  };

  const zooms = [...document.querySelectorAll("input[name=zoom]")];
  const zoomed = () => zooms.findIndex((input) => input.checked);
  let centre = [0.5, 0.5];
  const remember = () => {
    centre = [(stage.scrollLeft + stage.clientWidth / 2) / layers.offsetWidth, (stage.scrollTop + stage.clientHeight / 2) / layers.offsetHeight];
  };
  const restore = (x = stage.clientWidth / 2, y = stage.clientHeight / 2) => {
    stage.scrollLeft = centre[0] * layers.offsetWidth - x;
    stage.scrollTop = centre[1] * layers.offsetHeight - y;
  };
  stage.addEventListener("scroll", remember, { passive: true });
  zooms.forEach((input) => input.addEventListener("change", () => restore()));
  const spot = (event) => {
    const box = layers.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  };
  const zoom = (by, event) => {
    const next = Math.min(zooms.length - 1, Math.max(0, zoomed() + by));
    if (next === zoomed()) return;
    const box = stage.getBoundingClientRect();
    const at = event ? [event.clientX - box.left, event.clientY - box.top] : [stage.clientWidth / 2, stage.clientHeight / 2];
    if (event) centre = spot(event);
    zooms[next].checked = true;
    restore(...at);
    remember();
  };
  let turned = 0;
  stage.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    turned += event.deltaY;
    if (Math.abs(turned) < 60) return;
    zoom(turned < 0 ? 1 : -1, event);
    turned = 0;
  }, { passive: false });
  stage.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = { " ": flip, Enter: flip, "+": () => zoom(1), "=": () => zoom(1), "-": () => zoom(-1), 0: () => zoom(-zooms.length) }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  let held = null;
  stage.addEventListener("pointerdown", (event) => {
    if (event.button === 0) held = { x: event.clientX, y: event.clientY, left: stage.scrollLeft, top: stage.scrollTop, moved: false };
  });
  window.addEventListener("pointermove", (event) => {
    if (!held || event.pointerType === "touch") return;
    const x = event.clientX - held.x, y = event.clientY - held.y;
    held.moved ||= Math.hypot(x, y) > 4;
    if (held.moved) stage.scrollTo(held.left - x, held.top - y);
  });
  window.addEventListener("pointerup", () => setTimeout(() => { held = null; }));
  window.addEventListener("pointercancel", () => { held = null; });
  layers.addEventListener("click", () => { if (!held?.moved) flip(); });
  layers.addEventListener("dragstart", (event) => event.preventDefault());

  const hint = readout.textContent;
  const triple = (values, i) => [values[i], values[i + 1], values[i + 2]];
  const signed = (value) => (value > 0 ? "+" + value : value < 0 ? "\u2212" + -value : "0");
  const describe = (event) => {
    const [u, v] = spot(event), x = Math.floor(u * width), y = Math.floor(v * height);
    if (x < 0 || y < 0 || x >= width || y >= height) return;
    const i = 4 * (y * width + x), a = triple(data().before, i), b = triple(data().after, i);
    readout.textContent = `x ${x}, y ${y}:  ${a.join(" ")} \u2192 ${b.join(" ")}   change ${a.map((value, k) => signed(b[k] - value)).join(" ")}`;
  };
  layers.addEventListener("pointermove", (event) => ready.then(() => describe(event)));
  layers.addEventListener("pointerleave", () => { readout.textContent = hint; });

  id("save").addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = after.src;
    link.download = after.dataset.name;
    link.click();
  });
  redraw();
})();
