import { defineConfig } from "vite";

// Fixed names: the build is committed, and browsers check it by its hash (ETag).
export default defineConfig({
  base: "/console/",
  build: {
    outDir: "../services/gateway/console/dist",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    cssCodeSplit: false,
    reportCompressedSize: true,
    rollupOptions: {
      output: {
        entryFileNames: "console.js",
        chunkFileNames: "[name].js",
        assetFileNames: "console[extname]",
      },
    },
  },
  server: { proxy: { "/v1": "http://127.0.0.1:8000", "/console/session": "http://127.0.0.1:8000" } },
});
