import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { logOut, session } from "../shared/api/client";
import { fill, say } from "../shared/i18n";
import { href, path } from "../shared/router";
import { Icon } from "../shared/ui/icon";
import { IconButton } from "../shared/ui/parts";
import { tellError } from "../shared/ui/toasts";
import { ViewTools } from "../shared/ui/view_tools";
import { navigation } from "./navigation";

const words = say({
  skip: ["To the content", "跳到内容"],
  pages: ["Pages", "页面"],
  menu: ["Menu", "菜单"],
  close: ["Close the menu", "关闭菜单"],
  logOut: ["Log out", "退出登录"],
  key: ["key {name} · {prefix}…", "密钥 {name} · {prefix}…"],
});

/** What lies around every page: where one can go, who one is, how it looks. */
export function Shell({ children }: { children: ComponentChildren }) {
  const [isOpen, setOpen] = useState(false);
  const here = path.value;
  useEffect(() => setOpen(false), [here]);
  return (
    <div class="shell">
      <header class="topbar">
        <Brand />
        <IconButton icon="menu" label={words.menu} onClick={() => setOpen(true)} />
      </header>
      {isOpen && <button type="button" class="scrim" aria-label={words.close} onClick={() => setOpen(false)} />}
      <aside class="side" data-open={isOpen || undefined}>
        <Brand />
        <nav aria-label={words.pages}>
          {navigation.map((group, index) => (
            <div key={index}>
              {group.label && <div class="nav-group">{group.label()}</div>}
              {group.items.map((item) => (
                <a
                  key={item.to}
                  class="nav-link"
                  href={href(item.to)}
                  aria-current={isHere(item.to, here) ? "page" : undefined}
                >
                  <Icon name={item.icon} />
                  {item.label()}
                </a>
              ))}
            </div>
          ))}
        </nav>
        <Who />
      </aside>
      <main class="main" id="main">
        {children}
      </main>
    </div>
  );
}

function isHere(to: string, here: string): boolean {
  return here === to || (to !== "/" && here.startsWith(`${to}/`));
}

function Brand() {
  return (
    <a class="brand" href={href("/")}>
      <img src="/console/icon.svg" alt="" />
      Storymill
    </a>
  );
}

function Who() {
  const who = session.value;
  if (!who) return null;
  return (
    <div class="side-foot">
      <div class="who muted cut" title={who.project_id}>
        {fill(words.key, { name: who.key.name, prefix: who.key.prefix })}
      </div>
      <div class="side-tools">
        <ViewTools />
        <IconButton icon="out" label={words.logOut} onClick={() => logOut().catch(tellError)} />
      </div>
    </div>
  );
}
