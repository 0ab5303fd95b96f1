/** What the page shows, as a command, a curl call or a line of Python: copied, ready to run. */
import { fill, say } from "../i18n";
import { Menu } from "./parts";
import { tell } from "./toasts";

const words = say({
  copyAs: ["Copy as", "复制为"],
  copied: ["Copied: {what}", "已复制：{what}"],
});

export interface Call {
  /** Words after `storymill`. */
  cli?: string;
  method?: "GET" | "POST" | "PATCH" | "DELETE";
  path: string;
  body?: unknown;
}

export function CopyAs({ cli, method = "GET", path, body }: Call) {
  const copy = async (what: string, text: string) => {
    await navigator.clipboard.writeText(text);
    tell(fill(words.copied, { what }));
  };
  return (
    <Menu label={words.copyAs}>
      {cli && (
        <button type="button" onClick={() => copy("CLI", `storymill ${cli}`)}>
          CLI
        </button>
      )}
      <button type="button" onClick={() => copy("curl", asCurl(method, path, body))}>
        curl
      </button>
      <button type="button" onClick={() => copy("Python", asPython(method, path, body))}>
        Python
      </button>
    </Menu>
  );
}

function asCurl(method: string, path: string, body: unknown): string {
  const sent = body === undefined ? "" : ` \\\n  -H 'Content-Type: application/json' -d '${JSON.stringify(body).replace(/'/g, "'\\''")}'`;
  return `curl -X ${method} '${location.origin}${path}' \\\n  -H "Authorization: Bearer $OPENAI_API_KEY"${sent}`;
}

function asPython(method: string, path: string, body: unknown): string {
  const rest = path.replace(/^\/v1/, "");
  const sent = body === undefined ? "" : `, body=json.loads(r'''${JSON.stringify(body)}''')`;
  return [
    ...(sent ? ["import json"] : []),
    "from openai import OpenAI",
    "",
    `client = OpenAI(base_url="${location.origin}/v1")  # the key: OPENAI_API_KEY`,
    `print(client.${method.toLowerCase()}("${rest}", cast_to=object${sent}))`,
  ].join("\n");
}
