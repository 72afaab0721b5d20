#!/bin/sh
# Unpacks the bundle that lies beside this file and runs a command in the unpacked tree; without a command, the GPU tests.
# usage: sh run.sh [COMMAND [ARGUMENT]...]     QLORA_BUNDLE_ROOT: where to unpack (default: /tmp/qlora-bundle)
set -e
here=$(cd "$(dirname "$0")" && pwd)
root=${QLORA_BUNDLE_ROOT:-/tmp/qlora-bundle}
mkdir -p "$root/bin" "$root/tree"

unpack() { # FILE COMMAND...: only when FILE is another than the one unpacked last
  sum=$(cksum <"$here/$1")
  stamp="$root/$1.sum"
  [ "$(cat "$stamp" 2>/dev/null)" = "$sum" ] && return 0
  shift
  "$@"
  echo "$sum" >"$stamp"
}
unpack_node() {
  xz -dc "$here/node.xz" >"$root/bin/node.new"
  chmod +x "$root/bin/node.new"
  mv -f "$root/bin/node.new" "$root/bin/node"
}
unpack_tree() {
  rm -rf "$root/tree"
  mkdir -p "$root/tree"
  xz -dc "$here/qlora.tar.xz" | tar -C "$root/tree" -xf -
}
unpack node.xz unpack_node
unpack qlora.tar.xz unpack_tree

export PATH="$root/bin:$PATH"
export QLORA_ADDON="$root/tree/build/Release/qlora.node"
cd "$root/tree"
if [ $# -eq 0 ]; then
  exec node scripts/gpu/test.mjs
fi
exec "$@"
