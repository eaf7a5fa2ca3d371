# The symbolic link LINK -> TO in the tree at $OUT, owned by root, in place of a file or link that is there.

case $LINK in */*) make_directories "${LINK%/*}" ;; esac
at=$(inside "$LINK")
[ ! -d "$at" ] || [ -L "$at" ] || die "$LINK is a directory"
ln -sfn -- "$TO" "$at"
chown -h 0:0 "$at"
