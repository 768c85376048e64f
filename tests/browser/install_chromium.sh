#!/bin/sh
# Installs Debian's chromium and its driver where they are absent and this user may.
set -e
present() { command -v chromium > /dev/null && command -v chromedriver > /dev/null; }

present && exit 0
if ! command -v apt-get > /dev/null; then
  echo "make test-browser needs chromium and chromedriver on the PATH; install them by hand" >&2
  exit 1
fi
if [ "$(id -u)" = 0 ]; then
  root=""
elif command -v sudo > /dev/null && sudo -n true 2> /dev/null; then
  root="sudo -n"
else
  echo "make test-browser needs root once: sudo apt-get install chromium chromium-driver" >&2
  exit 1
fi
$root apt-get update -qq
$root env DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes chromium chromium-driver
present
