/** Light or dark: what the system says until the user says otherwise. */

import { byId } from "./dom.js";

/**
 * @param {"light" | "dark" | undefined} chosen
 * @param {(theme: string | undefined) => void} onChange
 */
export function useTheme(chosen, onChange) {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const apply = (theme) => (document.documentElement.dataset.theme = theme ?? (system.matches ? "dark" : "light"));
  let theme = chosen;
  apply(theme);
  onChange(theme);
  system.addEventListener("change", () => {
    apply(theme);
    onChange(theme);
  });
  byId("theme").addEventListener("click", () => {
    theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    apply(theme);
    onChange(theme);
  });
}
