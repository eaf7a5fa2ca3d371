# Packages into the tree at $OUT, with this machine's rpm. ARCH, DOCS.

[ -e "$root$database" ] || die "there is no database of rpm in the tree"
mounted
install_closure
unmounted
settle_modes
settle_database
settle_tree
