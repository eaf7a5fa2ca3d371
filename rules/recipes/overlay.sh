# The files and empty directories named in $FILES, one a line, into the tree at $OUT. STRIP: their leading directory, which is not part
# of their place. TO: the directory in the tree, or empty. OWNER: user:group. MODES: lines of a mode and a path; the
# others get 755 or 644 as they are executable or not.

LEAVE="leave it out of the overlay (files(…, \"!…\")), or remove what the tree has there before (step.remove)"
# The names of very many files do not fit into a variable.
if [ -e .inputs/FILES ]; then cp .inputs/FILES "$TMPDIR/files"; else printf '%s\n' "$FILES" >"$TMPDIR/files"; fi
while IFS= read -r file; do
    [ -n "$file" ] || continue
    case $file in
        "${STRIP:+$STRIP/}"*) path=${file#"${STRIP:+$STRIP/}"} ;;
        *) die "$file does not lie in $STRIP" ;;
    esac
    path=${TO:+$TO/}$path
    if [ -d "$file" ] && [ ! -L "$file" ]; then
        at=$(inside "$path/.x")
        [ ! -e "${at%/.x}" ] || [ -d "${at%/.x}" ] || die "$path is a file in the tree and a directory in the overlay: $LEAVE"
        make_directories "$path" "$OWNER"
        continue
    fi
    case $path in */*) make_directories "${path%/*}" "$OWNER" ;; esac
    at=$(inside "$path")
    if [ -d "$at" ] && [ ! -L "$at" ]; then
        what='file'
        [ ! -L "$file" ] || what="link (to $(readlink "$file"))"
        die "$path is a directory in the tree and a $what in the overlay: $LEAVE"
    fi
    # What only some may read (etc/shadow) is not for all to read because another file takes its place.
    secret=
    if [ -f "$at" ] && [ ! -L "$at" ]; then
        secret=$(stat -c %a "$at")
        [ $((0$secret & 4)) = 0 ] || secret=
    fi
    if [ "$OWNER" = 0:0 ] && [ -n "$secret" ]; then owner=$(stat -c %u:%g "$at"); else owner=$OWNER; fi
    cp -PT --remove-destination "$file" "$at"
    chown -h "$owner" "$at"
    [ ! -L "$at" ] || continue
    if [ -n "$secret" ]; then chmod "$secret" "$at"; elif [ -x "$file" ]; then chmod 755 "$at"; else chmod 644 "$at"; fi
done <"$TMPDIR/files"
printf '%s\n' "$MODES" | while read -r mode path; do
    [ -n "$mode" ] || continue
    at=$(inside "$path")
    { [ -e "$at" ] && [ ! -L "$at" ]; } || die "modes: there is no file or directory $path"
    chmod "$mode" "$at"
done
