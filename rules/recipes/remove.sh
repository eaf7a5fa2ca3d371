# Deletes paths from the tree at $OUT: the lines of PATHS and of the list files; `*` stands for part of a name.
# Nothing outside the tree is touched, wherever its links lead; deletion stays on one file system.

# matches PATTERN: the paths that it stands for, one a line.
matches() {
    case $1 in
        */'**'/*)
            ma_at=$(inside "${1%%/\*\*/*}/x")
            [ ! -d "${ma_at%/x}" ] || (cd "${ma_at%/x}" && find . -xdev -name "${1##*/\*\*/}" -prune) |
                sed "s|^\.|${1%%/\*\*/*}|"
            return
            ;;
        *[*?[]*) ;;
        *) printf '%s\n' "$1"; return ;;
    esac
    # The directory before the first special character, looked up inside the tree.
    ma_dir=${1%%[*?[]*}
    case $ma_dir in */*) ma_dir=${ma_dir%/*}/ ;; *) ma_dir= ;; esac
    ma_at=$(inside "${ma_dir}x")
    [ -d "${ma_at%/x}" ] || return 0
    (
        cd "${ma_at%/x}"
        IFS=
        for ma_name in ${1#"$ma_dir"}; do printf '%s\n' "$ma_dir$ma_name"; done
    )
}

{ printf '%s\n' "$PATHS"; lists; } | while read -r path; do
    path=$(printf '%s' "$path" | sed 's#^/*##; s#/*$##')
    [ -n "$path" ] || continue
    case /$path/ in */../*) die "$path: not a path inside the tree" ;; esac
    matches "$path" >"$TMPDIR/matches"
    while IFS= read -r match; do
        at=$(inside "$match")
        rm -rf --one-file-system -- "$at"
    done <"$TMPDIR/matches"
done
