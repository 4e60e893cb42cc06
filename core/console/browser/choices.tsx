/** Fields in which the reader chooses: several names by check boxes, or one value from a list. */

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

interface SelectFieldProps<T extends string> {
  readonly label: string
  /** The labels of the values. */
  readonly options: Readonly<Record<T, string>>
  readonly value: T
  readonly onChange: (value: T) => void
}

export function SelectField<T extends string>({ label, options, value, onChange }: SelectFieldProps<T>) {
  return (
    <label>
      {label}
      <select value={value} onChange={(event) => onChange(event.currentTarget.value as T)}>
        {Object.entries<string>(options).map(([name, text]) => (
          <option key={name} value={name}>
            {text}
          </option>
        ))}
      </select>
    </label>
  )
}
