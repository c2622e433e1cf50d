// Can a page be used with the keyboard alone? Tab from its top to its end, as a reader would.

const STOPS = "a[href], summary, [tabindex='0'], button, input, select, textarea";
const NEAR = 3; // pixels by which a stop may be out of sight

// Runs in the page: what has the focus, whether it can be seen, and whether a ring says so.
function here({ near, every }) {
  const one = document.activeElement;
  if (!one || one === document.body) return null;
  const box = one.getBoundingClientRect();
  const style = getComputedStyle(one);
  const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  const inside =
    box.width > 0 && box.height > 0 && box.bottom > 0 && box.right > 0 &&
    box.top < innerHeight && box.left < innerWidth && box.left >= -near;
  const x = Math.min(Math.max((box.left + box.right) / 2, 1), innerWidth - 1);
  const y = Math.min(Math.max(Math.max(box.top, 0) + Math.min(box.height, innerHeight) / 2, 1), innerHeight - 1);
  const top = document.elementFromPoint(x, y);
  const free = !!top && (one.contains(top) || top.contains(one));
  const stops = [...document.querySelectorAll(every)];
  const name = (one.getAttribute("aria-label") || one.textContent || "").trim().slice(0, 60);
  return { at: stops.indexOf(one), tag: one.localName, href: one.getAttribute("href"), name, ring, inside, free };
}

// How many stops there should be: everything that can be pressed or scrolled and is not folded away.
function expected(every) {
  const all = document.querySelectorAll(every);
  return [...all].filter((one) => one.checkVisibility({ contentVisibilityAuto: true, visibilityProperty: true })).length;
}

export async function keyboard(page) {
  const found = [];
  const wanted = await page.evaluate(expected, STOPS);
  const stops = [];
  for (let n = 0; n <= wanted; n += 1) {
    await page.keyboard.press("Tab");
    const stop = await page.evaluate(here, { near: NEAR, every: STOPS });
    if (stop === null) break;
    stops.push(stop);
  }
  const said = (stop) => `${stop.tag} "${stop.name}"`;
  if (stops.length !== wanted) found.push(`Tab reaches ${stops.length} of ${wanted} stops`);
  if (!stops[0]?.href?.startsWith("#")) found.push("the first stop does not skip to the content");
  stops.forEach((stop, n) => {
    if (!stop.ring) found.push(`no ring shows the focus on ${said(stop)}`);
    if (!stop.inside) found.push(`${said(stop)} has the focus out of sight`);
    else if (!stop.free) found.push(`${said(stop)} has the focus behind something else`);
    if (n > 0 && stop.at <= stops[n - 1].at) found.push(`${said(stop)} comes out of order`);
  });
  return [...found, ...(await pressed(page))];
}

// The skip link leads to the content, and what is folded opens at a key.
async function pressed(page) {
  const found = [];
  await page.evaluate(() => {
    scrollTo(0, 0);
    document.activeElement?.blur();
  });
  const skip = page.locator("a[href^='#']").first();
  if (await skip.count()) {
    await skip.focus();
    await page.keyboard.press("Enter");
    const led = await page.evaluate(() => !!document.querySelector("main")?.matches(":target, :focus, :has(:target)"));
    if (!led) found.push("the skip link does not lead to the content");
  }
  const folded = page.locator("details:not([open]) > summary").first();
  if (await folded.count()) {
    const handle = await folded.elementHandle();
    await handle.focus();
    await page.keyboard.press("Enter");
    if (!(await handle.evaluate((one) => one.parentElement.open))) found.push("what is folded does not open at a key");
  }
  return found;
}
