# Deletes paths from the tree at $OUT: the lines of PATHS and of the list files; `*` stands for part of a name.
# Nothing outside the tree is touched, wherever its links lead; deletion stays on one file system.

# matches PATTERN [DIR]: the paths that it stands for below DIR, one a line. Name by name, so that links of the tree lead nowhere
# else; `**` stands for any directories, and at the end for all that is there.
matches() {
    local ma_rest=$1 ma_dir=${2:-} ma_at ma_name ma_deep
    while :; do
        case $ma_rest in *[*?[]*) ;; *) printf '%s\n' "$ma_dir$ma_rest"; return ;; esac
        ma_name=${ma_rest%%/*}
        case $ma_name in *[*?[]*) break ;; esac
        ma_dir=$ma_dir$ma_name/ ma_rest=${ma_rest#*/}
    done
    ma_at=$(inside "${ma_dir}x")
    [ -d "${ma_at%/x}" ] || return 0
    ma_deep=
    # Of several in a row one is enough.
    while [ "$ma_name" = '**' ]; do
        ma_deep=yes
        case $ma_rest in */*) ma_rest=${ma_rest#*/} ;; *) ma_rest= ;; esac
        ma_name=${ma_rest%%/*}
    done
    case $ma_rest in */*) ma_rest=${ma_rest#*/} ;; *) ma_rest= ;; esac
    # A backslash is one of a name (`dev-disk\x2dby*.device`).
    ma_name=${ma_name//\\/\\\\}
    (
        cd "${ma_at%/x}"
        if [ -n "$ma_deep" ] && [ -n "$ma_name" ]; then
            find . -xdev -mindepth 1 -name "$ma_name" -printf '%P\n'
        elif [ -n "$ma_deep" ]; then
            find . -mindepth 1 -maxdepth 1 -printf '%P\n'
        else
            IFS=
            for ma_each in $ma_name; do [ ! -e "$ma_each" ] && [ ! -L "$ma_each" ] || printf '%s\n' "$ma_each"; done
        fi
    ) | while IFS= read -r ma_name; do
        if [ -z "$ma_rest" ]; then printf '%s\n' "$ma_dir$ma_name"; else matches "$ma_rest" "$ma_dir$ma_name/"; fi
    done
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
