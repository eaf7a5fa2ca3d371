#compdef imagemake
_imagemake() {
  local offer word
  local -a offers plain open
  offers=("${(@f)$("${words[1]}" __complete -- "${(@)words[2,CURRENT]}" 2> /dev/null)}")
  case ${offers[1]} in
    :file*) _files; return ;;
    :directory*) _files -/; return ;;
  esac
  for offer in "${offers[@]}"; do
    word=${${offer%%$'\t'*}//:/\\:}
    if [[ $word == *= ]]; then open+=("$word:${offer#*$'\t'}"); elif [[ -n $word ]]; then plain+=("$word:${offer#*$'\t'}"); fi
  done
  (( $#plain )) && _describe -t words word plain
  (( $#open )) && _describe -t variables variable open -S ''
}
if [[ $funcstack[1] == _imagemake ]]; then _imagemake; else compdef _imagemake imagemake; fi
