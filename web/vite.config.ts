import { defineConfig } from 'vitest/config';
import type { Plugin } from 'vite';

/** The strictest policy that the page works under. `frame-ancestors` counts only as a header: the server sends it. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "media-src 'self' blob: mediastream:",
  "connect-src 'self' ws: wss:",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

/** Puts the policy into the built page, so that it holds on any static host. Not while developing: Vite injects styles. */
function contentSecurityPolicy(): Plugin {
  return {
    name: 'content-security-policy',
    apply: 'build',
    transformIndexHtml: () => [
      { tag: 'meta', attrs: { 'http-equiv': 'Content-Security-Policy', content: POLICY }, injectTo: 'head-prepend' },
    ],
  };
}

export default defineConfig({
  base: './', // works in any folder
  build: {
    target: ['chrome107', 'safari16', 'firefox115'],
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      // apart, so that a new release of the page finds it still in the browser's cache
      output: { codeSplitting: { groups: [{ name: 'mqtt', test: /node_modules/ }] } },
    },
  },
  server: { fs: { allow: ['..'] } }, // the words for keys are the daemon's
  plugins: [contentSecurityPolicy()],
  test: { include: ['test/**/*.test.ts'], testTimeout: 30_000 }, // a machine may be busy
});
