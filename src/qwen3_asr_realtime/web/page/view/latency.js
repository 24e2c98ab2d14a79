/** How long results took: bars for the last utterances, and percentiles of all. */

import { t } from "../text/i18n.js";
import { byId, element } from "./dom.js";

const BARS = 40;
const FULL_MS = 1500; // the height of a full bar

export class Latency {
  #finals = [];
  #firsts = [];

  /** Take an item that is completed. */
  add(item) {
    if (item.finalMs === null) return;
    this.#finals.push(item.finalMs);
    if (item.firstPartialMs !== null) this.#firsts.push(item.firstPartialMs);
    byId("bars").append(
      element("div", { className: "pair", title: `#${item.number}`, data: { final: Math.round(item.finalMs) } },
        bar("bar-final", item.finalMs), bar("bar-partial", item.firstPartialMs ?? 0)),
    ); // prettier-ignore
    while (byId("bars").children.length > BARS) byId("bars").firstChild.remove();
    this.refresh();
  }

  /** Say it anew, in another language. */
  refresh() {
    byId("final-latency").textContent = percentiles(this.#finals);
    byId("partial-latency").textContent = percentiles(this.#firsts);
    if (this.#finals.length > 0) {
      const final = Math.round(this.#finals.at(-1));
      byId("bars").ariaLabel = t("barsOf", { count: byId("bars").children.length, final });
    }
  }
}

function bar(className, ms) {
  const made = element("i", { className });
  made.style.height = `${Math.min(100, (ms / FULL_MS) * 100)}%`;
  return made;
}

/** The value that a share of some values does not exceed. */
export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)];
}

function percentiles(values) {
  if (values.length === 0) return "–";
  return t("percentiles", { p50: Math.round(quantile(values, 0.5)), p95: Math.round(quantile(values, 0.95)) });
}
