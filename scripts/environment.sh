# shellcheck shell=bash
# Sourced by every script: strict mode, the repository as working folder, the tools' paths.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

PATH="$PWD/.tools/bin:$PWD/end2end/node_modules/.bin:$HOME/.cargo/bin:$PATH"
# Playwright drives the system's Chromium and must not download its own.
PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1
TARGET="${CARGO_TARGET_DIR:-$PWD/target}"
SITE="$TARGET/site"
export PATH PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD TARGET SITE

# All builds select the same packages and features, so that cargo compiles each dependency once.
# shellcheck disable=SC2034
WORKSPACE=(--workspace --features ssr --locked)

say() {
    printf '%s  %s\n' "$(date +%H:%M:%S)" "$*"
}

fail() {
    printf 'Error: %s\n' "$*" >&2
    exit 1
}
