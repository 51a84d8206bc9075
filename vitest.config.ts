import { defineConfig } from "vitest/config";

/**
 * One project per suffix of style's test table. `unit` is pure and takes every core; whatever starts
 * real servers shares them out, because a machine that is out of breath proves nothing about time.
 * No project retries a failing test. A failed property prints its fast-check seed and path.
 */
const real = ["**/*.sim.test.ts", "**/*.it.test.ts", "**/*.e2e.test.ts", "tidy/**/*.test.ts"];
const never = [
  "**/node_modules/**",
  "**/.tarmac/**",
  "**/.cache/**",
  "**/dist/**",
  "**/coverage/**",
];

export default defineConfig({
  test: {
    passWithNoTests: true,
    teardownTimeout: 20_000,
    coverage: {
      provider: "v8",
      include: ["ledger/**/*.ts", "actors/**/*.ts"],
      exclude: ["**/*.test.ts", "**/testing/**"],
      reporter: ["text", "html"],
      thresholds: { branches: 100 },
    },
    projects: [
      {
        test: {
          name: "unit",
          include: ["**/*.test.ts"],
          exclude: [...never, ...real],
          pool: "threads",
          testTimeout: 15_000,
        },
      },
      {
        test: {
          name: "tidy",
          include: ["tidy/**/*.test.ts"],
          exclude: never,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: "sim",
          include: ["**/*.sim.test.ts"],
          exclude: never,
          testTimeout: 120_000,
        },
      },
      {
        test: {
          name: "it",
          globalSetup: ["cli/provision/vitest-servers.ts"],
          include: ["**/*.it.test.ts"],
          exclude: never,
          pool: "forks",
          maxWorkers: 2,
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: "e2e",
          globalSetup: ["cli/provision/vitest-servers.ts"],
          include: ["**/*.e2e.test.ts"],
          exclude: never,
          pool: "forks",
          maxWorkers: 2,
          testTimeout: 120_000,
          hookTimeout: 180_000,
        },
      },
    ],
  },
});
