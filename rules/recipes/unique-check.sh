# Fails where the tree $TREE has what must differ from machine to machine, and names it; ALLOW: paths that may be there, one a
# line. A daemon whose host keys nothing makes is told too.

OUT=$TREE
printf '%s\n' "$ALLOW" >"$TMPDIR/allow"
unique_left | while read -r what path; do
    if grep -qxF -- "$path" "$TMPDIR/allow"; then
        echo "allowed: $path ($what)"
    else
        echo "$path ($what) would be the same on all machines"
        : >"$TMPDIR/bad"
    fi
done
if has_daemon && ! makes_host_keys && [ -z "$(unique_left | grep '^host-key ' || :)" ]; then
    echo "there is an SSH server, there are no host keys, and no service makes any: it does not start"
    : >"$TMPDIR/bad"
fi
[ ! -e "$TMPDIR/bad" ] || die "unique: an image that is for many machines has none of that"
echo "unique: nothing is left that must differ from machine to machine"
