# Removes packages of RPM, the lines of PACKAGES, from the tree at $OUT, whatever depends on them. ARCH, DOCS.

on_tree --query --all --queryformat '%{NAME}\n' | sort -u >"$TMPDIR/installed"
printf '%s\n' "$PACKAGES" | sort -u | comm -12 - "$TMPDIR/installed" >"$TMPDIR/remove"
[ ! -s "$TMPDIR/remove" ] || {
    mounted
    # shellcheck disable=SC2046 # names are words
    on_tree --erase --nodeps --noplugins -- $(cat "$TMPDIR/remove") 2>&1 | tee "$TMPDIR/said"
    unmounted
    on_tree --query --all --queryformat '%{NAME}\n' | sort -u | comm -12 - "$TMPDIR/remove" >"$TMPDIR/left"
    [ ! -s "$TMPDIR/left" ] || die "not removed by rpm: $(paste -sd " " "$TMPDIR/left")"
    settle_database
    settle_tree
}
