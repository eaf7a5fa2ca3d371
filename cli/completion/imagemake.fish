# fish completion of imagemake
function __imagemake_complete
  set -l words (commandline -opc) (commandline -ct)
  set -l offers (command $words[1] __complete -- $words[2..-1] 2> /dev/null)
  switch "$offers[1]"
    case ':file*'
      __fish_complete_path (commandline -ct)
    case ':directory*'
      __fish_complete_directories (commandline -ct)
    case '*'
      string join \n -- $offers
  end
end
complete -c imagemake -f -a '(__imagemake_complete)'
