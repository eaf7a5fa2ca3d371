# The file TO in the tree at $OUT, with CONTENT, owned by root, of mode MODE.

case $TO in */*) make_directories "${TO%/*}" ;; esac
at=$(inside "$TO")
[ ! -d "$at" ] || [ -L "$at" ] || die "$TO is a directory"
rm -f "$at"
printf '%s' "$CONTENT" >"$at"
chown 0:0 "$at"
chmod "$MODE" "$at"
