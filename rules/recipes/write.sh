# The file TO in the tree at $OUT, with CONTENT, owned by root, of mode MODE. MODE may be empty: then 644, or mode and owner
# of what is replaced where only some may read that, as with overlays.

case $TO in */*) make_directories "${TO%/*}" ;; esac
at=$(inside "$TO")
[ ! -d "$at" ] || [ -L "$at" ] || die "$TO is a directory"
owner=0:0
if [ -z "$MODE" ]; then
    MODE=644
    if [ -f "$at" ] && [ ! -L "$at" ] && case $(stat -c %A "$at") in ???????r*) false ;; esac; then
        read -r MODE owner <<<"$(stat -c '%a %u:%g' "$at")"
        # With an access list these are its mask, and the group may have less.
        case $(ls -ld "$at") in ??????????+*) MODE=$(printf %o "$((0$MODE & ~070))") ;; esac
    fi
fi
rm -f "$at"
(umask 077 && printf '%s' "$CONTENT" >"$at")
chown "$owner" "$at"
chmod "$MODE" "$at"
