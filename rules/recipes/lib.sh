# Shared by recipes: words for the log, and paths that stay inside a tree.

die() { echo "$*" >&2; exit 1; }

# inside PATH: where PATH, taken from the root of $OUT, really lies. The directory part is followed through
# symbolic links as if $OUT were /, so that a link to /etc never leads to the host's; the last part is not.
inside() {
    in_rest=$1 in_at= in_links=0
    while :; do
        in_rest=${in_rest#"${in_rest%%[!/]*}"}
        case $in_rest in
            */*) in_part=${in_rest%%/*} in_rest=${in_rest#*/} ;;
            *) break ;;
        esac
        case $in_part in
            .) continue ;;
            ..) in_at=${in_at%/*}; continue ;;
        esac
        if [ -L "$OUT$in_at/$in_part" ]; then
            in_links=$((in_links + 1))
            [ "$in_links" -le 40 ] || die "$1: too many symbolic links"
            in_to=$(readlink "$OUT$in_at/$in_part")
            case $in_to in /*) in_at= ;; esac
            in_rest=$in_to/$in_rest
        else
            in_at=$in_at/$in_part
        fi
    done
    [ -n "$in_rest" ] && [ "$in_rest" != .. ] && [ "$in_rest" != . ] || die "$1: no name of a file"
    printf '%s\n' "$OUT$in_at/$in_rest"
}

# wanted: the package names of $PACKAGES and of the list files $LIST0, $LIST1, …, blank between them.
wanted() {
    printf '%s' "${PACKAGES:-}"
    wa_i=0
    while eval "[ -n \"\${LIST$wa_i:-}\" ]"; do
        eval "wa_file=\$LIST$wa_i"
        while read -r wa_name; do printf ' %s' "$wa_name"; done <"$wa_file"
        wa_i=$((wa_i + 1))
    done
}
