# The packages in repo/ as the repository of an installer ISO, the tree $OUT.

mkdir "$OUT/Packages"
cp --reflink=auto repo/*.rpm "$OUT/Packages/"
index_packages "$OUT"
