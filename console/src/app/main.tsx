import "../shared/styles/index.css";
import { render } from "preact";
import { loadSession } from "../shared/api/client";
import { App } from "./app";

const root = document.getElementById("app");
if (root) render(<App />, root);
void loadSession();
