/** How this browser wants to see the console: language and colours, in a cookie that no server reads. */
import { effect, signal } from "@preact/signals";

export type Language = "en" | "zh";
export type Theme = "auto" | "light" | "dark";

const COOKIE = "storymill_view";
const [storedLanguage, storedTheme] = (document.cookie.match(`${COOKIE}=([a-z.]+)`)?.[1] ?? "").split(".");

export const language = signal<Language>(
  storedLanguage === "en" || storedLanguage === "zh" ? storedLanguage : navigator.language.startsWith("zh") ? "zh" : "en",
);
export const theme = signal<Theme>(storedTheme === "light" || storedTheme === "dark" ? storedTheme : "auto");

effect(() => {
  const root = document.documentElement;
  root.lang = language.value === "zh" ? "zh-CN" : "en";
  if (theme.value === "auto") root.removeAttribute("data-theme");
  else root.setAttribute("data-theme", theme.value);
  const kept = `${language.value}.${theme.value}`;
  if (kept !== `${storedLanguage}.${storedTheme}`) {
    // biome-ignore lint: the Cookie Store API is not in every browser yet
    document.cookie = `${COOKIE}=${kept}; path=/console; max-age=31536000; samesite=strict`;
  }
});
