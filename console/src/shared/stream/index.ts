export { type Beside, Fold, type Frame, type Rewind, sha256 } from "./fold";
export { StreamSocket, type WatchOptions } from "./watch";
