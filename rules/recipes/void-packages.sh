# The packages that a script of the checkout asks for: $1 is which of them (void-record.sh), then the script and its words.

part=$1
shift
recorded "$@"
recorded_packages "$part" >"$TMPDIR/names"
[ -s "$TMPDIR/names" ] || { echo "$1 asked for no packages ($part)" >&2; exit 1; }
cat "$TMPDIR/names"
