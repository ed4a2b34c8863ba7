#!/bin/sh
# Installs the Debian packages behind the commands named as arguments, where that is allowed without a question: as root or
# with a sudo that asks for no password. Otherwise says what will be left out. Never fails: whoever needs a command says so.
set -u

package_of() {
    case "$1" in
        java) echo openjdk-17-jre-headless ;;
        mvn) echo maven ;;
        chromium) echo chromium ;;
        pdftoppm) echo poppler-utils ;;
        faketime) echo faketime ;;
        *) echo "system-packages: no package is known for the command '$1'" >&2 ;;
    esac
}

missing=""
packages=""
for tool in "$@"; do
    command -v "$tool" >/dev/null 2>&1 && continue
    missing="$missing $tool"
    packages="$packages $(package_of "$tool")"
done
[ -n "$missing" ] || exit 0

as_root=""
if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
        as_root="sudo -n"
    else
        echo "Left out what needs:$missing (this user may not install packages; by hand: apt-get install$packages)"
        exit 0
    fi
fi
if ! command -v apt-get >/dev/null 2>&1; then
    echo "Left out what needs:$missing (no apt-get here; install the like of:$packages)"
    exit 0
fi

echo "Installing$packages …"
apt="$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300"
# shellcheck disable=SC2086 # words are meant to be split
if ! { $apt update && $apt install -y --no-install-recommends $packages; } </dev/null >/dev/null 2>&1; then
    echo "apt-get could not install$packages; its own words:"
    # shellcheck disable=SC2086
    $apt install -y --no-install-recommends $packages </dev/null 2>&1 | tail -n 5
fi
for tool in $missing; do
    command -v "$tool" >/dev/null 2>&1 || echo "Left out what needs: $tool"
done
exit 0
