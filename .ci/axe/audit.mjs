// axe-core over every page below a folder: no violation (best practices included), no request, no sideways scrolling,
// and everything within reach of the keyboard.
//   node audit.mjs MODULES CHROMIUM REPORTS
// Every <details> is opened first, so that what is folded away is audited too. One line a problem; exit code 1 with any.

import { createRequire } from "node:module";
import { readFileSync, readdirSync, realpathSync } from "node:fs";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { keyboard } from "./keyboard.mjs";

const WIDTHS = [1200, 320];
const PATIENCE = 120_000; // milliseconds of one page

const [modules, chromium, reports] = process.argv.slice(2);
const require = createRequire(join(realpathSync(modules), "any.js"));
const { chromium: engine } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const root = realpathSync(reports);
const pages = readdirSync(root, { recursive: true })
  .filter((name) => name.endsWith(".html") && !name.split("/").some((part) => part.startsWith(".")))
  .sort()
  .map((name) => join(root, name));

const oneLine = (text) => String(text).replace(/[\p{Cc}\u2028\u2029]+/gu, " ").slice(0, 300);

async function audit(browser, path, width) {
  // the page's own policy forbids scripts, and axe is one
  const context = await browser.newContext({ viewport: { width, height: 900 }, bypassCSP: true });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  const own = pathToFileURL(path).href;
  const found = [];
  page.on("request", (request) => {
    const url = request.url();
    if (url !== own && !url.startsWith("data:")) found.push(`asks for ${url}`);
  });
  page.on("pageerror", (error) => found.push(`runs a script that fails: ${error.message}`));
  await page.goto(own);
  found.push(...(await keyboard(page)));
  await page.evaluate(() => document.querySelectorAll("details").forEach((one) => (one.open = true)));
  await page.evaluate(axe);
  const result = await page.evaluate(() => window.axe.run(document));
  for (const violation of result.violations) {
    const where = violation.nodes.slice(0, 3).map((node) => node.target.join(" ")).join("; ");
    found.push(`${violation.id} (${violation.impact}): ${violation.help}: ${violation.nodes.length} at ${where}`);
  }
  const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (over > 0) found.push(`is ${over} pixels wider than the window`);
  await context.close();
  return found;
}

if (pages.length === 0) {
  console.error(`axe: ${oneLine(reports)} holds no page`);
  process.exit(1);
}
const flags = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"];
if (process.getuid?.() === 0) flags.push("--no-sandbox"); // Chromium has no sandbox for the superuser
const browser = await engine.launch({ executablePath: chromium, args: flags });
let problems = 0;
for (const path of pages) {
  for (const width of WIDTHS) {
    for (const found of await audit(browser, path, width)) {
      problems += 1;
      console.error(oneLine(`${relative(root, path)} at ${width}: ${found}`));
    }
  }
}
await browser.close();
console.log(`axe: ${pages.length} pages at ${WIDTHS.join(" and ")} pixels, ${problems} problems`);
process.exit(problems ? 1 : 0);
