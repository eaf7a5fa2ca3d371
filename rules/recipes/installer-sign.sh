# Runs the user's program SCRIPT on the contents of an installer ISO, the tree $OUT, and verifies what it left with gpg, in
# a keyring that holds nothing but the key it left. See signOption in installer/signing.ts for what it has to leave.

[ -f "$SCRIPT" ] || die "sign: expected one file, found: $(printf '%s' "$SCRIPT" | tr '\n' ' ')"
[ -x "$SCRIPT" ] || die "$SCRIPT is not executable (chmod +x)"
root=$PWD/$OUT
index=$root/repodata/repomd.xml
before=$(sha256sum <"$index")
name=$SCRIPT
case $SCRIPT in /*) ;; *) SCRIPT=./$SCRIPT ;; esac

"$SCRIPT" "$root" || die "$name ended with status $?"

[ "$(sha256sum <"$index")" = "$before" ] || die "$name changed repodata/repomd.xml, which it was to sign"
signature=$index.asc
{ [ -f "$signature" ] && [ ! -L "$signature" ]; } || die "$name left no repodata/repomd.xml.asc"
grep -q '^-----BEGIN PGP SIGNATURE-----' "$signature" ||
    die "$name: repodata/repomd.xml.asc is not a detached signature in ASCII (gpg --armor --detach-sign)"
key=$(awk -F= '
    /^\[/ { keys = $0 ~ /^\[keys\]/ }
    keys && $1 ~ /^[ \t]*key1[ \t]*$/ { gsub(/^[ \t]+|[ \t\r]+$/, "", $2); print $2; exit }' "$root/.treeinfo")
[ -n "$key" ] || die "$name left no key1 in [keys] of .treeinfo"
case $key in
    */* | '' | .*) die "$name: key1 in .treeinfo is $key, but the key lies at the root of the image" ;;
    RPM-GPG-KEY-?*) ;;
    *) die "$name: key1 in .treeinfo is $key, and should be RPM-GPG-KEY-…" ;;
esac
{ [ -f "$root/$key" ] && [ ! -L "$root/$key" ]; } || die "$name left no file $key, which .treeinfo names"

ring=$TMPDIR/verify
mkdir -m 700 "$ring"
gpg_here() { gpg --homedir "$ring" --batch --no-autostart --quiet "$@"; }
shown=$(gpg_here --with-colons --show-keys "$root/$key") || shown=
! grep -q '^sec:' <<<"$shown" ||
    die "$key is a secret key: it would have been published"
# What it says of trust is about a keyring that knows nobody.
told() { cat "$TMPDIR/told" >&2; die "$@"; }
gpg_here --import "$root/$key" 2>"$TMPDIR/told" || told "$key is no public key of GnuPG"
# --allow-weak-digest-algos: the reason is ours to say.
gpg_here --allow-weak-digest-algos --status-fd 3 --verify "$signature" "$index" 3>"$TMPDIR/status" 2>"$TMPDIR/told" ||
    told "$name: repodata/repomd.xml.asc is not a signature of repodata/repomd.xml by $key"
! grep -Eq '^\[GNUPG:\] (EXPSIG|EXPKEYSIG|REVKEYSIG) ' "$TMPDIR/status" || told "$name: the signature, or its key, has expired or was revoked"
# VALIDSIG fingerprint date timestamp expires version reserved key-algorithm digest-algorithm …; RFC 4880, 9.4.
awk '$2 == "VALIDSIG" { found = 1; if ($10 < 8 || $10 > 11) weak = $10 } END { if (!found) exit 1; if (weak) { print weak; exit 2 } }' \
    "$TMPDIR/status" >"$TMPDIR/weak" || {
    weak=$(cat "$TMPDIR/weak")
    case $weak in 1) weak=MD5 ;; 2) weak=SHA-1 ;; 3) weak=RIPEMD-160 ;; esac
    [ -n "$weak" ] || die "$name: gpg found no valid signature"
    die "$name: the signature is made with $weak, which is too weak: --digest-algo SHA256 or better"
}
chown -R 0:0 "$root/$key" "$signature" "$root/.treeinfo"
chmod 644 "$root/$key" "$signature" "$root/.treeinfo"
sed -n 's/^\[GNUPG:\] GOODSIG \([0-9A-F]*\) /repomd.xml is signed by \1, /p' "$TMPDIR/status"
