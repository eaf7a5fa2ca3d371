# Packages into the tree at $OUT, with this machine's pacman. ARCH, NO_EXTRACT.

[ -e "$root/var/lib/pacman/local" ] || die "there is no package database of pacman in the tree"
mounted run
install_closure
unmounted
settle_tree
