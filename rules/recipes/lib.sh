# Shared by recipes: words for the log, and paths that stay inside a tree.

die() { echo "$*" >&2; exit 1; }

# inside PATH: where PATH, taken from the root of $OUT, really lies. The directory part is followed through
# symbolic links as if $OUT were /, so that a link to /etc never leads to the host's; the last part is not.
inside() {
    in_rest=$1 in_at='' in_links=0
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
    case $in_rest in '' | . | ..) die "$1: no name of a file" ;; esac
    printf '%s\n' "$OUT$in_at/$in_rest"
}

# real PATH: where the file PATH of the tree is in the end: its last part is followed like the others.
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

# make_directories DIR [OWNER]: DIR and what leads to it, in the tree, where links lead in the end; new ones are
# OWNER's (0:0), of mode 755.
make_directories() {
    md_rest=$(inside "$1/.x")
    md_rest=${md_rest#"$OUT"/} md_at=$OUT
    while :; do
        case $md_rest in */*) md_at=$md_at/${md_rest%%/*} md_rest=${md_rest#*/} ;; *) break ;; esac
        [ ! -e "$md_at" ] || continue
        mkdir "$md_at"
        chmod 755 "$md_at"
        chown "${2:-0:0}" "$md_at"
    done
}

# nothing_mounted: takes away what scripts mounted in the tree and left, and says so: what is deleted after them would
# otherwise be deleted where that came from, on this machine.
nothing_mounted() {
    # As mountinfo writes it.
    nm_root=$(realpath "$OUT" | sed 's/\\/\\134/g; s/ /\\040/g; s/\t/\\011/g')/
    while nm_left=$(NM_ROOT=$nm_root awk 'index($5, ENVIRON["NM_ROOT"]) == 1 { print $5 }' /proc/self/mountinfo); do
        [ -n "$nm_left" ] || return 0
        # What lies in another mount goes with it; what another hides comes in the next round.
        nm_done=
        while read -r nm_each; do
            nm_at=$(printf '%b' "$(printf '%s' "$nm_each" | sed 's/\\\([0-7][0-7][0-7]\)/\\0\1/g')")
            umount -l -- "$nm_at" 2>/dev/null || continue
            nm_done=yes
            echo "unmounted, which a script left: ${nm_each#"$nm_root"}"
        done <<<"$nm_left"
        [ -n "$nm_done" ] || die "cannot be unmounted, which a script left: ${nm_left//$'\n'/, }"
    done
}

# delete PATH…: files of the tree, wherever links lead in it; the last part of a path may be a pattern.
delete() {
    for de_path; do
        de_at=$(inside "$de_path")
        [ -d "${de_at%/*}" ] || continue
        (
            cd "${de_at%/*}"
            IFS=
            for de_name in ${de_at##*/}; do
                { [ -d "$de_name" ] && [ ! -L "$de_name" ]; } || rm -f -- "./$de_name"
            done
        )
    done
}

# password_days: days on which passwords were set while building become the epoch's.
password_days() {
    for pd_file in shadow shadow-; do
        pd_at=$(inside "etc/$pd_file")
        { [ -f "$pd_at" ] && [ ! -L "$pd_at" ]; } || continue
        awk -F: -v OFS=: -v today="$(($(date +%s) / 86400))" -v day="$((SOURCE_DATE_EPOCH / 86400))" \
            '$3 != "" && $3 >= today - 1 { $3 = day } { print }' "$pd_at" >"$TMPDIR/shadow"
        # Into the file that is there, so that mode and owner stay.
        cmp -s "$TMPDIR/shadow" "$pd_at" || cat "$TMPDIR/shadow" >"$pd_at"
    done
}

# lists: what the list files $LIST0, $LIST1, … hold, one a line.
lists() {
    li_i=0
    while eval "[ -n \"\${LIST$li_i:-}\" ]"; do
        eval "cat \"\$LIST$li_i\""
        li_i=$((li_i + 1))
    done
}

# present PATH...: whether the tree has one of them.
present() {
    for pr_path; do
        pr_at=$(real "$pr_path")
        [ ! -e "$pr_at" ] || return 0
    done
    return 1
}
