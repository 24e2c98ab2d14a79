/** What went wrong, said where it is seen; one notice of a kind at a time. */

import { t } from "../text/i18n.js";
import { byId, element } from "./dom.js";

/** Say that there is a problem, by the name of its text. */
export function notice(kind, parameters = {}) {
  dismiss(kind);
  const close = element("button", { type: "button", className: "quiet small", onclick: () => dismiss(kind) }, "×");
  close.ariaLabel = t("dismiss");
  const text = element("p", {}, t(`problem.${kind}`, parameters));
  byId("notices").append(element("div", { className: "notice", data: { kind } }, text, close));
}

/** The problem is gone. */
export function dismiss(kind) {
  byId("notices").querySelector(`[data-kind="${kind}"]`)?.remove();
}
