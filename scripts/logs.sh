#!/usr/bin/env bash
# Searches what Lunette logged while the tests ran for what may not be in a log above DEBUG. The rigs keep it in target/tmp/logs.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-target/tmp/logs}
shopt -s nullglob
logs=("$folder"/*.log)
[ ${#logs[@]} -gt 0 ] || { echo "there are no logs in $folder: run cargo test first" >&2; exit 1; }

# Lines at INFO, WARN and ERROR, of Lunette and of libraries.
lines=$(mktemp)
trap 'rm "$lines"' EXIT
sed 's/\x1b\[[0-9;]*m//g' "${logs[@]}" | { grep -E '(^|[^A-Z])(INFO|WARN|ERROR) ' || true; } |
    # Loopback and the wildcard are this machine's own, and stand where it says where it listens.
    sed -E 's/127\.[0-9]+\.[0-9]+\.[0-9]+|0\.0\.0\.0|\[::1?\]/(own)/g; s/(^|[^0-9a-f:])::1([^0-9a-f:]|$)/\1(own)\2/g' >"$lines"
[ "$(wc -l <"$lines")" -ge 20 ] || { echo "only $(wc -l <"$lines") lines at INFO or above: something does not log" >&2; exit 1; }

failed=0
# never WHAT PATTERN [BUT]: no line has it, but for those that fit BUT.
never() {
    local found
    found=$(grep -E -e "$2" "$lines" | grep -vE -e "${3:-^$}" | head -n 3) || return 0
    failed=1
    printf 'the log has %s:\n%s\n' "$1" "$found" >&2
}

never 'SDP' 'v=0|a=candidate|candidate:|a=fingerprint|a=ice-|o=- [0-9]|m=(video|audio|application)'
never 'an IPv4 address' '(^|[^0-9.])([0-9]{1,3}\.){3}[0-9]{1,3}([^0-9.]|$)'
never 'an IPv6 address' '(^|[^0-9a-zA-Z:])([0-9a-f]{1,4}:){2,7}(:|[0-9a-f]{1,4})|(^|[^0-9a-zA-Z:_])[0-9a-f]{1,4}::[0-9a-f]{1,4}([^a-z_0-9]|$)' '[0-9]{2}:[0-9]{2}:[0-9]{2}'
never 'a key or a certificate' 'BEGIN (PRIVATE|EC|CERTIFICATE)|PRIVATE KEY'
never 'a link to pair' '[#&][pg]=[A-Za-z0-9_-]+'
never 'a secret or a key' '"?(secret|credential|password|mac|key|grant)"?[=:] ?"?[A-Za-z0-9+/_-]{16,}'
never 'a password of the tests' 'geheim|richtig'
echo "$(wc -l <"$lines") lines of ${#logs[@]} logs, 7 passed, $failed failed"
exit $failed
