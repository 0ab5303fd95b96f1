import { defineConfig } from "vite";

// The stream module for other people's pages: one readable file beside the console's own.
export default defineConfig({
  publicDir: false,
  build: {
    outDir: "../services/gateway/console/dist",
    emptyOutDir: false,
    target: "es2022",
    minify: false,
    lib: { entry: "src/shared/stream/index.ts", formats: ["es"], fileName: () => "storymill-stream.js" },
  },
});
