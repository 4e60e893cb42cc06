/** A group of check boxes for names. */
interface ChoicesProps {
  readonly legend: string
  readonly names: readonly string[]
  readonly chosen: string[]
  readonly onChange: (chosen: string[]) => void
}

export function Choices({ legend, names, chosen, onChange }: ChoicesProps) {
  if (names.length === 0) return null
  return (
    <fieldset>
      <legend>{legend}</legend>
      <div class="choices">
        {names.map((name) => (
          <label key={name} class="choice">
            <input
              type="checkbox"
              checked={chosen.includes(name)}
              onChange={(event) =>
                onChange(event.currentTarget.checked ? [...chosen, name] : chosen.filter((one) => one !== name))
              }
            />
            {name}
          </label>
        ))}
      </div>
    </fieldset>
  )
}
