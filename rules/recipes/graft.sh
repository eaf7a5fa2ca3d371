# The contents of the tree $GRAFT at the directory AT of the tree at $OUT, which must be empty or absent. Copied file by
# file: no archive between that would lose attributes or links.

case $AT in */*) make_directories "${AT%/*}" ;; esac
at=$(inside "$AT")
if [ -L "$at" ]; then die "$AT is a symbolic link to $(readlink "$at"): name the directory itself"; fi
if [ -e "$at" ]; then
    [ -d "$at" ] || die "$AT is there already, and is no directory"
    found=$(find "$at" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort | sed -n 1,3p | tr '\n' ' ')
    [ -z "$found" ] || die "$AT is not empty, so nothing is grafted there; it holds $found"
fi
# Named one by one, because --preserve=all, and so -a, says nothing of attributes that it could not copy.
cp --recursive --no-dereference --preserve=mode,ownership,timestamps,links,xattr --reflink=auto \
    --no-target-directory -- "$GRAFT" "$at"
