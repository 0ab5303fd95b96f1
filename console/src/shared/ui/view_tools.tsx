import { say } from "../i18n";
import { language, theme, type Theme } from "../view";
import { IconButton } from "./parts";
import type { IconName } from "./icon";

const words = say({
  other: ["中文", "English"],
  auto: ["Colours: as the system", "颜色：跟随系统"],
  light: ["Colours: light", "颜色：浅色"],
  dark: ["Colours: dark", "颜色：深色"],
});
const NEXT: Record<Theme, Theme> = { auto: "light", light: "dark", dark: "auto" };
const ICONS: Record<Theme, IconName> = { auto: "auto", light: "sun", dark: "moon" };

/** Language and colours. */
export function ViewTools() {
  return (
    <>
      <button
        type="button"
        class="button"
        data-kind="quiet"
        lang={language.value === "zh" ? "en" : "zh-CN"}
        onClick={() => {
          language.value = language.value === "zh" ? "en" : "zh";
        }}
      >
        {words.other}
      </button>
      <IconButton
        icon={ICONS[theme.value]}
        label={words[theme.value]}
        onClick={() => {
          theme.value = NEXT[theme.value];
        }}
      />
    </>
  );
}
