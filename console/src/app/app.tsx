import { Login } from "../features/login/login";
import { session } from "../shared/api/client";
import { Toasts } from "../shared/ui/toasts";
import { Pages } from "./pages";
import { Shell } from "./shell";

/** Login first; a session that ends in the middle of work comes back to the same address. */
export function App() {
  return (
    <>
      {session.value === null && <Login />}
      {session.value && (
        <Shell>
          <Pages />
        </Shell>
      )}
      <Toasts />
    </>
  );
}
