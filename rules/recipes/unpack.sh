# The tarball $FROM as the tree $OUT, with owners by number, attributes, and nothing left out.

tar --extract --file="$FROM" --directory="$OUT" --preserve-permissions --same-owner --numeric-owner \
    --acls --xattrs --xattrs-include='*' --exclude='./dev/*'
