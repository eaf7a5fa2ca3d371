# shellcheck shell=bash
# bash completion of imagemake
_imagemake() {
  # COMP_WORDS has VAR=x in pieces; and readline puts the answer behind the last =.
  local line=${COMP_LINE:0:COMP_POINT} current offer
  local -a words offers
  read -ra words <<< "$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  current=${words[-1]}
  mapfile -t offers < <("$1" __complete -- "${words[@]:1}" 2> /dev/null)
  COMPREPLY=()
  case ${offers[0]-} in
    :file*) compopt -o default; return ;;
    :directory*) compopt -o dirnames; return ;;
  esac
  for offer in "${offers[@]}"; do
    offer=${offer%%$'\t'*}
    [[ $current == *=* ]] && offer=${offer#"${current%=*}="}
    COMPREPLY+=("$offer")
  done
  [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace
}
complete -F _imagemake imagemake
