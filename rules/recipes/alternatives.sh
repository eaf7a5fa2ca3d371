# Chooses alternatives in the tree at $OUT: CHOICES are lines of a group and what is chosen. ARCH, CPU.

[ -z "$CPU" ] || emulate_foreign "$ARCH" "$CPU"
if present var/db/xbps; then
    printf '%s\n' "$CHOICES" | while read -r name choice; do
        xbps-alternatives --rootdir="$root" --group="$name" --set="$choice" ||
            die "$name: xbps-alternatives cannot choose $choice (xbps-alternatives -l names what there is)"
    done
    exit
fi
program=
for each in usr/bin/update-alternatives usr/sbin/alternatives usr/bin/alternatives; do
    [ -n "$program" ] || ! present "$each" || program=/$each
done
[ -n "$program" ] || die "there is nothing in the tree that keeps alternatives (update-alternatives, alternatives)"
mounted
printf '%s\n' "$CHOICES" | while read -r name choice; do
    inside_tree "$program" --set "$name" "$choice" || die "$name: $program cannot choose $choice"
done
unmounted
# A log of today.
delete var/log/alternatives.log
settle_tree
# shellcheck disable=SC2154 # mounted sets it
for each in $mo_made; do rmdir "$root/$each"; done
