# Files out of the tree $TREE. PATHS: lines of a variable, which holds the file to write, and a path in the tree that
# may be a pattern. Links are followed as if the tree were /, so that none leads to a file of this machine.

OUT=$TREE

# real PATH: where the file PATH of the tree is in the end.
real() {
    re_path=$1 re_left=40
    while re_at=$(inside "$re_path") && [ -L "$re_at" ]; do
        re_left=$((re_left - 1))
        [ "$re_left" -gt 0 ] || die "$1: too many symbolic links"
        re_to=$(readlink "$re_at")
        case $re_to in
            /*) re_path=$re_to ;;
            *) re_at=${re_at#"$OUT"} re_path=${re_at%/*}/$re_to ;;
        esac
    done
    printf '%s\n' "$re_at"
}

# matches PATTERN: the paths that it stands for, one a line.
matches() {
    ma_dir=${1%/*}
    [ "$ma_dir" != "$1" ] || ma_dir=
    case $ma_dir in *[*?[]*) die "$1: only the last name of a path can be a pattern" ;; esac
    ma_at=$(inside "$ma_dir/x")
    (
        cd "${ma_at%/x}" 2>/dev/null || exit 0
        IFS=
        for ma_name in ${1##*/}; do
            [ -e "$ma_name" ] || [ -L "$ma_name" ] || continue
            printf '%s\n' "$ma_dir/$ma_name"
        done
    )
}

printf '%s\n' "$PATHS" | while read -r variable path; do
    found=$(matches "/${path#/}")
    [ -n "$found" ] || die "$path: there is no such file in the tree"
    case $found in *"
"*) die "$path: several files match:" $found ;; esac
    file=$(real "$found")
    [ -f "$file" ] || die "$path: not a file"
    eval "to=\$$variable"
    cp --reflink=auto "$file" "$to"
    if [ -x "$file" ]; then chmod 755 "$to"; else chmod 644 "$to"; fi
done
