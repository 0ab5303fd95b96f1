import { useState } from "preact/hooks";
import { logIn, loginError, wasEnded } from "../../shared/api/client";
import { say } from "../../shared/i18n";
import { Button, describeError, Notice } from "../../shared/ui/parts";
import { ViewTools } from "../../shared/ui/view_tools";

const words = say({
  title: ["Log in", "登录"],
  key: ["API key", "API 密钥"],
  open: ["Open the console", "进入控制台"],
  hint: [
    "The key is used once and not kept in the browser. On the mill's own machine, this prints a link that needs no key:",
    "密钥只使用一次，不会保存在浏览器中。在服务所在的机器上，下面的命令会打印一个免密钥的登录链接：",
  ],
  ended: ["The session is over. After the login you are back where you were.", "会话已结束。重新登录后会回到原来的页面。"],
});

/** Paste a key once. */
export function Login() {
  const [key, setKey] = useState("");
  const [error, setError] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await logIn(key.trim());
    } catch (failure) {
      setError(describeError(failure));
    } finally {
      setBusy(false);
    }
  };
  const problem = error ?? loginError.value;
  return (
    <main class="login">
      <div class="brand">
        <img src="/console/icon.svg" alt="" />
        Storymill
      </div>
      <div class="login-card">
        <h1>{words.title}</h1>
        {wasEnded.value && <Notice tone="warn">{words.ended}</Notice>}
        <form onSubmit={submit}>
          <div class="field">
            <label for="key">{words.key}</label>
            <input
              id="key"
              class="input mono"
              type="password"
              autocomplete="off"
              placeholder="sm_…"
              value={key}
              required
              autofocus
              onInput={(event) => setKey(event.currentTarget.value)}
            />
          </div>
          {problem && <Notice tone="bad">{problem}</Notice>}
          <Button type="submit" kind="primary" disabled={isBusy}>
            {words.open}
          </Button>
        </form>
        <p class="small muted">{words.hint}</p>
        <code>storymill console</code>
      </div>
      <div class="login-foot">
        <ViewTools />
      </div>
    </main>
  );
}
