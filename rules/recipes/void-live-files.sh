# What mklive.sh of a checkout puts into the tree of a live image beside packages, when it is run as make would run it: texts,
# services, included files. WORDS: what make would run; REVISION of the checkout, or $GIT, a file that has it.

[ -z "${GIT:-}" ] || REVISION=$(cat "$GIT")
words_without r
MKLIVE_REV=${REVISION:- } recorded "$script" "${words[@]}"
files=$record/files
[ -d "$files" ] || { echo "imagemake: mklive.sh did not run dracut in a tree, so what it puts there is not known" >&2; exit 1; }
# Of the stand-ins, and what packages have.
rm -rf "$files/etc/sv" "$files/var/db/xbps/keys" "$files/usr/bin/mksquashfs" "$files/usr/bin/xorriso"
find "$files" -depth -mindepth 1 -type d -empty -delete
[ ! -d "$files" ] || cp -RPp "$files"/. "$OUT/"
chown -hR 0:0 "$OUT"
