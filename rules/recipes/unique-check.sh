# Fails where the tree $TREE, or what was unpacked of $IMAGE, has what must differ from machine to machine, and names it;
# ALLOW: paths that may be there, one a line. A daemon whose host keys nothing makes is told too.

printf '%s\n' "$ALLOW" >"$TMPDIR/allow"

# look WHERE: at $OUT.
look() {
    unique_left | while read -r what path; do
        if grep -qxF -- "$path" "$TMPDIR/allow"; then
            echo "allowed: $1$path ($what)"
        else
            echo "$1$path ($what) would be the same on all machines"
            : >"$TMPDIR/bad"
        fi
    done
    if has_daemon && ! makes_host_keys && [ -z "$(unique_left | grep '^host-key ' || :)" ]; then
        echo "${1:+$1}there is an SSH server, there are no host keys, and no service makes any: it does not start"
        : >"$TMPDIR/bad"
    fi
}

if [ -n "${TREE:-}" ]; then
    OUT=$TREE
    look ''
else
    for OUT in "$TMPDIR"/trees/*; do
        [ -d "$OUT" ] || continue
        name=$(cat "$OUT.name")
        name=${name#, }
        look "${name:+$name: }"
    done
fi
[ ! -e "$TMPDIR/bad" ] || die "unique: an image that is for many machines has none of that"
echo "unique: nothing is left that must differ from machine to machine"
